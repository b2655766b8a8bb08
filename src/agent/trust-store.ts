/** The keys by which a machine knows its releases, kept apart from its images: trust never goes back, whichever image boots. docs/formats/stored-trust.md */
import { AppError } from "../core/error.ts";
import type { Sha256 } from "../core/digest.ts";
import { fileExists, readBytes } from "../host/files.ts";
import { openTwins, type Twin, type TwinKind } from "../host/twin-files.ts";
import { latin1Bytes, latin1Text } from "../layout/env-block.ts";
import { decodeNumbered, encodeNumbered, type NumberedKind } from "../layout/numbered-text.ts";
import {
  decodeTrustedKeys,
  effectiveTrust,
  encodeTrustedKeys,
  TRUSTED_KEYS_PATH,
  type TrustedKeys,
} from "../release/trusted-keys.ts";

/** Whom a machine trusts with its releases. */
export interface TrustStore {
  /**
   * As it is now; nothing where neither the image names keys nor the machine has kept any: then nobody is asked for a signature.
   *
   * @throws AppError `TRUST_UNKNOWN`: there are keys, and nobody knows which; no release can be judged
   */
  readonly trusted: () => TrustedKeys | undefined;
  /** What was wrong when it was opened, a sentence each. */
  readonly problems: readonly string[];
  /**
   * From now on this set counts; durable when it returns. One that is not newer than what counts already changes nothing.
   *
   * @throws AppError `TRUST_UNKNOWN`, `TRUST_NOT_STORED`: what counted before still does
   */
  readonly keep: (keys: TrustedKeys) => Promise<void>;
}

/** Bytes: 64 keys have some 19 KB. */
const STORED_SIZE = 32 * 1024;
const KIND: NumberedKind = { name: "petrify-trust", format: 1, size: STORED_SIZE };

const twinKind = (sha256: Sha256): TwinKind<TrustedKeys> => ({
  names: ["trust-1", "trust-2"],
  encode: (set, sequence) => {
    const bytes = encodeNumbered(KIND, sequence, latin1Text(encodeTrustedKeys(set)));
    if (!bytes) throw new RangeError("stored trust: is too large");
    return bytes;
  },
  decode: (bytes) => decodeStoredTrust(bytes, sha256),
});

/** What one file says. Never throws. */
export function decodeStoredTrust(bytes: Uint8Array, sha256: Sha256): Twin<TrustedKeys> {
  const found = decodeNumbered(KIND, bytes);
  if (found.is !== "whole") return found;
  try {
    return { is: "whole", sequence: found.sequence, value: decodeTrustedKeys(latin1Bytes(found.text), "stored trust", sha256) };
  } catch {
    return { is: "unreadable" };
  }
}

/** What was found in one of the two places. */
type Found =
  | { readonly is: "set"; readonly keys: TrustedKeys }
  | { readonly is: "none" }
  /** Something is there. */
  | { readonly is: "unreadable"; readonly why: string }
  | { readonly is: "newer" };

export interface TrustPlaces {
  /** Of the agent's own, on the oem partition; none for a system that keeps nothing. */
  readonly folder: string | undefined;
  /** Of the running image; default {@link TRUSTED_KEYS_PATH}. */
  readonly image?: string;
}

/**
 * What counts in this boot, which is kept from then on: an image that was booted is one that the machine has taken.
 *
 * Never throws: what cannot be read is a problem, and what follows from it is said by `trusted`.
 */
export async function openTrustStore({ folder, image = TRUSTED_KEYS_PATH }: TrustPlaces, sha256: Sha256): Promise<TrustStore> {
  const twins = folder === undefined ? undefined : await openTwins(folder, twinKind(sha256));
  const isDamaged = twins !== undefined && (twins.isDamaged || twins.unread.length > 0);
  const stored: Found = twins?.isNewer
    ? { is: "newer" }
    : twins?.found
      ? { is: "set", keys: twins.found }
      : isDamaged
        ? { is: "unreadable", why: twins.unread[0] ?? "both copies are damaged" }
        : { is: "none" };
  const ofImage = await readImage(image, sha256);
  const { counts, problems } = trustAtBoot(ofImage, stored);
  const said = [...problems];
  if (isDamaged && stored.is === "set") said.push(`a copy of the trusted keys in ${folder} is damaged: the other one is used`);

  let current = counts instanceof AppError ? undefined : counts;
  const store = async (keys: TrustedKeys): Promise<void> => {
    try {
      // Both copies: one that is damaged later must not bring back what counted before.
      await twins?.store(keys);
      await twins?.store(keys);
    } catch (cause) {
      throw new AppError("TRUST_NOT_STORED", `the trusted keys cannot be stored: ${(cause as Error).message}`, {
        hint: "See `petrify status`: the oem partition has to be mounted and writable.",
        cause,
      });
    }
    current = keys;
  };
  // A cut between the two copies, too, leaves one that must not come back.
  const isTwice = current && [twins?.found, twins?.older].every((one) => one && isSame(one, current!));
  if (current && !isTwice) await store(current).catch((error: Error) => said.push(error.message));

  return {
    trusted: () => {
      if (counts instanceof AppError) throw counts;
      return current;
    },
    problems: said,
    keep: async (keys) => {
      if (counts instanceof AppError) throw counts;
      if (current && keys.epoch <= current.epoch) return;
      await store(keys);
    },
  };
}

async function readImage(path: string, sha256: Sha256): Promise<Found> {
  if (!(await fileExists(path))) return { is: "none" };
  try {
    return { is: "set", keys: decodeTrustedKeys(await readBytes(path), path, sha256) };
  } catch (error) {
    return { is: "unreadable", why: (error as Error).message };
  }
}

/** Pure. Keys that cannot be read are keys all the same: a machine must not take anybody's releases because of them. */
function trustAtBoot(
  image: Found,
  stored: Found,
): { readonly counts: TrustedKeys | undefined | AppError; readonly problems: readonly string[] } {
  const problems: string[] = [];
  if (image.is === "unreadable") problems.push(`the trusted keys of the image cannot be read: ${image.why}`);
  const ofImage = image.is === "set" ? image.keys : undefined;
  if (stored.is === "newer") {
    const why = "the trusted keys of this machine were stored by newer software";
    return {
      counts: unknown(why, "Go back to the image that has it: `petrify rollback`."),
      problems: [...problems, `${why}: they are left alone, and no release is taken`],
    };
  }
  if (stored.is === "unreadable") {
    const instead = ofImage ? "those of the image count" : "no release is taken";
    problems.push(`the trusted keys that this machine has stored cannot be read (${stored.why}): ${instead}`);
  }
  const kept = stored.is === "set" ? stored.keys : undefined;
  const counts = effectiveTrust(ofImage, kept);
  if (counts === undefined && (image.is === "unreadable" || stored.is === "unreadable"))
    return {
      counts: unknown("the trusted keys of this machine cannot be read", "Install it anew, from an image that has keys."),
      problems,
    };
  if (ofImage && kept && counts === kept && ofImage.epoch >= kept.epoch && !isSame(ofImage, kept))
    problems.push(
      `the image has trusted keys (epoch ${ofImage.epoch}) that do not follow those of this machine (epoch ${kept.epoch}), which count`,
    );
  return { counts, problems };
}

const isSame = (one: TrustedKeys, other: TrustedKeys): boolean =>
  latin1Text(encodeTrustedKeys(one)) === latin1Text(encodeTrustedKeys(other));

const unknown = (message: string, hint: string): AppError => new AppError("TRUST_UNKNOWN", message, { hint });
