/** @portable Whether a machine takes a release. Every rule of it is here. docs/concepts/signatures.md */
import { dateText } from "../core/date-text.ts";
import { AppError } from "../core/error.ts";
import type { KeyId } from "../layout/public-key.ts";
import { compareReleases, type Dated } from "./release-order.ts";
import type { Release } from "./release.ts";
import { keyRefusal, type TrustedKeys } from "./trusted-keys.ts";

/** What somebody has said may be passed over this once. A signature is not among it. */
export const TOLD = ["older", "expired", "other-image"] as const;
export type Told = (typeof TOLD)[number];

export interface UpgradeQuestion {
  /** What runs; `created` of its release where that was kept, else of its manifest. Nothing where nothing runs yet: an installation. */
  readonly running: (Dated & { readonly name: string }) | undefined;
  readonly candidate: {
    readonly release: Pick<Release, "name" | "version" | "created" | "expires">;
    /** How many signatures of it were found, good or not. */
    readonly signatures: number;
    /** Keys of `trusted`, revoked ones too, that have signed it: signers.ts. */
    readonly signers: readonly KeyId[];
  };
  /** Nothing where the image names no keys: then nobody is asked for. */
  readonly trusted: TrustedKeys | undefined;
  /** Seconds since 1970. */
  readonly now: number;
  /** Otherwise `now` is only known not to be over yet: the machine has no clock that runs without power, and no network yet. */
  readonly clockIsSet: boolean;
  /** How that is known, as the end of a sentence. */
  readonly clockWhy?: string;
  readonly told: ReadonlySet<Told>;
}
export type UpgradeAnswer =
  | { readonly allowed: true; readonly signedBy: KeyId | undefined }
  | { readonly allowed: false; readonly refusal: AppError };

/** First whether it can be believed, then whether it is meant for this machine, then whether it is too old. */
export function mayUpgrade({ running, candidate, trusted, now, clockIsSet, clockWhy, told }: UpgradeQuestion): UpgradeAnswer {
  const { release, signatures } = candidate;
  const refuse = (code: string, message: string, hint: string): UpgradeAnswer => ({
    allowed: false,
    refusal: new AppError(code, message, { hint }),
  });
  const what = `${release.name} ${release.version}`;

  const ids = new Set(candidate.signers);
  const signers = trusted?.keys.filter(({ id }) => ids.has(id)) ?? [];
  const good = signers.find((key) => keyRefusal(key, release.created) === undefined);
  if (trusted && !good) {
    const [bad] = signers;
    if (bad && keyRefusal(bad, release.created) === "KEY_NOT_YET_VALID")
      return refuse(
        "KEY_NOT_YET_VALID",
        `${what} was created before its key ${bad.id} counts`,
        "Sign it with a key that was in force then.",
      );
    if (bad)
      return refuse(
        "KEY_REVOKED",
        `${what} is signed with the key ${bad.id}, which is revoked`,
        "Sign it with a key that is in force.",
      );
    if (signatures > 0)
      return refuse(
        "KEY_UNKNOWN",
        `no trusted key has signed ${what}`,
        "Sign it with a key that the running image trusts; `petrify keys rotate` brings new ones.",
      );
    return refuse("RELEASE_UNSIGNED", `${what} is not signed`, "Sign it: `petrify push --sign`.");
  }

  if (running && running.name !== release.name && !told.has("other-image"))
    return refuse(
      "RELEASE_OTHER_IMAGE",
      `${what} is another image than ${running.name}, which runs`,
      "If this is meant, say so: --other-image.",
    );

  if (release.expires !== undefined && !told.has("expired")) {
    if (now >= release.expires)
      return refuse(
        "RELEASE_EXPIRED",
        `${what} has expired on ${dateText(release.expires)}`,
        "Take a newer release, or say --expired.",
      );
    if (!clockIsSet)
      return refuse(
        "CLOCK_NOT_SET",
        `${what} expires on ${dateText(release.expires)}, and this machine does not know what day it is${clockWhy === undefined ? "" : `: ${clockWhy}`}`,
        "Let NTP set the clock, or set it and the hardware's (`date`, `hwclock --systohc`); or say --expired.",
      );
  }

  if (running && compareReleases(release, running) < 0 && !told.has("older"))
    return refuse("RELEASE_OLDER", `${what} is older than ${running.version}, which runs`, "If this is meant, say so: --older.");

  return { allowed: true, signedBy: good?.id };
}
