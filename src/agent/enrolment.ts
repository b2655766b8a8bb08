/** How a machine gets an owner. docs/concepts/pki.md */
import { AppError } from "../core/error.ts";
import { rateLimit } from "../core/rate-limit.ts";
import { existsNow, fileExists, makePrivateFolder, readText, removeFile } from "../host/files.ts";
import { moveAside, removeUnfinished, writeNewFolder } from "../host/new-folder.ts";
import { replaceFile } from "../host/replace-file.ts";
import {
  API_FOLDER,
  AUTHORITIES_FILE,
  CERTIFICATE_FILE,
  EPOCH_FILE,
  GIVEN_BACK_FILE,
  RECOVERY_FILE,
} from "../layout/api-places.ts";
import type { ConfigResult } from "./config/apply-config.ts";
import type { ConfigDocument } from "./config/generation-files.ts";
import type { ConfigService } from "./config/service.ts";
import type { EnrolmentInMemory } from "./install/enrolled-disk.ts";
import { assertNodeCertificate, authoritiesIn } from "./owner.ts";

/** The agent's own calls for it. */
export const ENROL = "POST /enrol";
/** The same, of a machine that has asked for it itself, with a join token of its config. */
export const JOIN = "POST /join";
export const GIVE_BACK = "POST /give-back";

export interface EnrolRequest {
  readonly documents: readonly ConfigDocument[];
  /** PEM, both. */
  readonly authorities: string;
  readonly certificate: string;
  readonly epoch: number;
  /** A digest of the token that brings the machine another owner. */
  readonly recovery?: string;
  /** That token, of a machine that was given back by it. */
  readonly recoveryToken?: string;
}
export interface GiveBackRequest {
  readonly recoveryToken: string;
  /** PEM: the next owner's; without it the machine waits for one. */
  readonly authorities?: string;
}
export interface GivenBack {
  /** Whether it waits for an owner now. */
  readonly waits: boolean;
}
export interface EnrolResult {
  /** The disk that it is being installed to, with all of it: nothing of it lies in memory. */
  readonly installsTo?: string;
  readonly generation?: number;
  readonly problems: readonly string[];
  /** What only a restart brings. */
  readonly reboot: readonly string[];
}
export interface Enrolment {
  readonly isEnrolled: () => boolean;
  /** Makes room for an owner, and removes what a power cut has left of one. @throws NodeJS.ErrnoException */
  readonly prepare: () => Promise<void>;
  /** @throws AppError `ENROLLED`, `API_AUTHORITY_INVALID`, `NODE_CERTIFICATE_INVALID`, those of applying a config */
  readonly enrol: (request: EnrolRequest, signal: AbortSignal) => Promise<EnrolResult>;
  /** Whether the machine has been given back by its recovery token, and has no owner since. */
  readonly isGivenBack: () => boolean;
  /**
   * Takes the machine's owner from it, for who has its recovery token.
   *
   * @throws AppError `NOT_ENROLLED`, `RECOVERY_TOKEN_NONE`, `RECOVERY_TOKEN_WRONG`, `ASKED_TOO_OFTEN`, `API_AUTHORITY_INVALID`
   */
  readonly giveBack: (request: GiveBackRequest) => Promise<GivenBack>;
}

interface EnrolmentPorts {
  /** Of a system that runs from memory. */
  readonly memory?: EnrolmentInMemory | undefined;
  readonly config: Pick<ConfigService, "apply">;
  /** Of the machine's key; nothing where it has none. */
  readonly fingerprint: () => string | undefined;
  readonly log: (line: string) => void;
  readonly folder?: string;
  readonly givenBack?: string;
  /** Seconds, of a clock that nobody sets. */
  readonly uptime: () => number;
}

/** Tokens that are looked at, whoever shows them: each takes 16 MiB for a moment. */
const TRIES = { burst: 5, seconds: 30, keys: 1 };

export async function openEnrolment({
  memory,
  config,
  fingerprint,
  log,
  uptime,
  folder = API_FOLDER,
  givenBack = GIVEN_BACK_FILE,
}: EnrolmentPorts): Promise<Enrolment> {
  let enrolled = await fileExists(`${folder}/${AUTHORITIES_FILE}`);
  /** Of a machine with an owner it says nothing any more: where it stays, as on a partition that has become read-only, nothing follows from it. */
  const forgetGivenBack = async (): Promise<void> =>
    await removeFile(givenBack).catch((error: unknown) => log(`${givenBack} cannot be removed: ${(error as Error).message}`));
  // It was being given back when power went, or has got its next owner just then.
  if (enrolled) await forgetGivenBack();
  // Somebody may put it there by hand.
  const isEnrolled = (): boolean => (enrolled ||= existsNow(`${folder}/${AUTHORITIES_FILE}`));
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = async <T>(work: () => Promise<T>): Promise<T> => {
    const mine = turn.then(work);
    turn = mine.catch(() => {});
    return await mine;
  };
  const tries = rateLimit(TRIES);
  /** @param hash what is kept of the token */
  const assertToken = async (hash: string, token: string): Promise<void> => {
    if (!tries.take("", uptime())) {
      throw new AppError("ASKED_TOO_OFTEN", "too many recovery tokens were tried", { hint: "Try again in a minute." });
    }
    // Hardly any machine ever needs it.
    const { isRecoveryToken } = await import("../host/recovery-token.ts");
    if (await isRecoveryToken(token, hash)) return;
    throw new AppError("RECOVERY_TOKEN_WRONG", "that is not the recovery token of this machine's owner", {
      hint: "It is in the owner's folder of secrets: recovery-token.",
    });
  };
  const kept = async (path: string): Promise<string | undefined> =>
    await readText(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });

  const take = async ({ documents, ...given }: EnrolRequest, signal: AbortSignal): Promise<EnrolResult> => {
    if (isEnrolled())
      throw new AppError("ENROLLED", "this machine has an owner already", { hint: "Call it with a certificate." });
    const own = fingerprint();
    if (own === undefined) throw new AppError("NODE_KEY_MISSING", "this machine has no key: it cannot be known again");
    assertNodeCertificate(given.certificate, authoritiesIn(given.authorities), own);
    if (given.recovery !== undefined) assertHash(given.recovery);
    const needed = await kept(givenBack);
    if (needed !== undefined) {
      if (given.recoveryToken === undefined) {
        throw new AppError(
          "RECOVERY_TOKEN_NEEDED",
          "this machine was given back by its recovery token, and takes an owner that has it",
          {
            hint: "petrify apply-config --insecure NODE --recovery-token-file FILE",
          },
        );
      }
      await assertToken(needed, given.recoveryToken);
    }
    const files = {
      [AUTHORITIES_FILE]: given.authorities,
      [CERTIFICATE_FILE]: given.certificate,
      [EPOCH_FILE]: `${given.epoch}\n`,
      ...(given.recovery === undefined ? {} : { [RECOVERY_FILE]: `${given.recovery}\n` }),
    };
    const installsTo = await memory?.install(documents, files, signal);
    if (installsTo !== undefined) return { installsTo, problems: [], reboot: [] };
    // Every refusal is before this; and until the folder is there, nobody owns the machine: the same again begins anew.
    const stored = documents.length > 0 ? await config.apply({ documents, mode: "staged" }, signal) : undefined;
    await writeNewFolder(folder, files).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code !== "ENOTEMPTY") throw cause;
      throw new AppError("API_FOLDER_IN_USE", "this machine has something for its API already, but no authority", {
        hint: `Remove what is in ${folder}.`,
        cause,
      });
    });
    enrolled = true;
    await forgetGivenBack();
    log("this machine has an owner: it is called with certificates from now on");
    // Not waited for: it may change the network that the answer goes by. Where power goes now, the next boot lays it.
    if (stored) void layNow(documents);
    const { problems, ...result } = stored ? resultOf(stored) : { problems: [], reboot: [] };
    return { ...result, problems: [...problems, ...(memory ? [FORGETS] : [])] };
  };
  const layNow = async (documents: readonly ConfigDocument[]): Promise<void> => {
    await config.apply({ documents, mode: "auto" }, new AbortController().signal).catch((error: unknown) => {
      log(`the machine config of the owner is laid at the next boot: ${(error as Error).message}`);
    });
  };

  const giveBack = async ({ recoveryToken, authorities }: GiveBackRequest): Promise<GivenBack> => {
    const hash = isEnrolled() ? await kept(`${folder}/${RECOVERY_FILE}`) : await kept(givenBack);
    if (hash === undefined) {
      throw isEnrolled()
        ? new AppError("RECOVERY_TOKEN_NONE", "this machine's owner has left it no recovery token", {
            hint: "An admin leaves it one: petrify -n NODE apply-trust. Without any owner, a reset makes the machine anew.",
          })
        : new AppError("NOT_ENROLLED", "nobody owns this machine: there is nothing to give back");
    }
    if (authorities !== undefined) authoritiesIn(authorities);
    await assertToken(hash, recoveryToken);
    // Until the folder has gone, the machine is its owner's; from then on, nobody's without the token: power may go at any time.
    await replaceFile(givenBack, hash, 0o600);
    await moveAside(folder);
    enrolled = false;
    await makePrivateFolder(folder);
    if (authorities === undefined) {
      log("this machine was given back by its recovery token, and waits for an owner that has it");
      return { waits: true };
    }
    await writeNewFolder(folder, { [AUTHORITIES_FILE]: authorities, [RECOVERY_FILE]: hash });
    enrolled = true;
    await forgetGivenBack();
    log("this machine has another owner, by its recovery token");
    return { waits: false };
  };

  return {
    isEnrolled,
    isGivenBack: () => !isEnrolled() && existsNow(givenBack),
    giveBack: async (request) => await inTurn(async () => await giveBack(request)),
    prepare: async () => {
      await makePrivateFolder(folder);
      await removeUnfinished(folder);
    },
    enrol: async (request, signal) => await inTurn(async () => await take(request, signal)),
  };
}

function assertHash(text: string): void {
  if (/^[\w$-]{1,200}$/.test(text)) return;
  throw new AppError("REQUEST_INVALID", "the request is not understood: recovery: a digest of a recovery token");
}

const FORGETS =
  "nothing of it is kept when this system restarts: it runs from memory, and the config names no disk (install.device)";

const resultOf = ({ generation, problems, plan }: ConfigResult): EnrolResult => ({
  ...(generation === undefined ? {} : { generation }),
  ...{ problems, reboot: plan.reboot },
});
