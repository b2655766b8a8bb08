/** How a machine gets an owner. docs/concepts/pki.md */
import { AppError } from "../core/error.ts";
import { existsNow, fileExists, makePrivateFolder } from "../host/files.ts";
import { removeUnfinished, writeNewFolder } from "../host/new-folder.ts";
import { API_FOLDER, AUTHORITIES_FILE, CERTIFICATE_FILE, EPOCH_FILE } from "../layout/api-places.ts";
import type { ConfigResult } from "./config/apply-config.ts";
import type { ConfigDocument } from "./config/generation-files.ts";
import type { ConfigService } from "./config/service.ts";
import { assertNodeCertificate, authoritiesIn } from "./owner.ts";

/** The agent's own call for it. */
export const ENROL = "POST /enrol";
/** The same, of a machine that has asked for it itself, with a join token of its config. */
export const JOIN = "POST /join";

export interface EnrolRequest {
  readonly documents: readonly ConfigDocument[];
  /** PEM, both. */
  readonly authorities: string;
  readonly certificate: string;
  readonly epoch: number;
}
export interface EnrolResult {
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
}

interface EnrolmentPorts {
  readonly config: Pick<ConfigService, "apply">;
  /** Of the machine's key; nothing where it has none. */
  readonly fingerprint: () => string | undefined;
  readonly log: (line: string) => void;
  readonly folder?: string;
}

export async function openEnrolment({ config, fingerprint, log, folder = API_FOLDER }: EnrolmentPorts): Promise<Enrolment> {
  let enrolled = await fileExists(`${folder}/${AUTHORITIES_FILE}`);
  // Somebody may put it there by hand.
  const isEnrolled = (): boolean => (enrolled ||= existsNow(`${folder}/${AUTHORITIES_FILE}`));
  let turn: Promise<unknown> = Promise.resolve();

  const take = async ({ documents, ...given }: EnrolRequest, signal: AbortSignal): Promise<EnrolResult> => {
    if (isEnrolled())
      throw new AppError("ENROLLED", "this machine has an owner already", { hint: "Call it with a certificate." });
    const own = fingerprint();
    if (own === undefined) throw new AppError("NODE_KEY_MISSING", "this machine has no key: it cannot be known again");
    assertNodeCertificate(given.certificate, authoritiesIn(given.authorities), own);
    // Every refusal is before this; and until the folder is there, nobody owns the machine: the same again begins anew.
    const kept = documents.length > 0 ? await config.apply({ documents, mode: "staged" }, signal) : undefined;
    await writeNewFolder(folder, {
      [AUTHORITIES_FILE]: given.authorities,
      [CERTIFICATE_FILE]: given.certificate,
      [EPOCH_FILE]: `${given.epoch}\n`,
    }).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code !== "ENOTEMPTY") throw cause;
      throw new AppError("API_FOLDER_IN_USE", "this machine has something for its API already, but no authority", {
        hint: `Remove what is in ${folder}.`,
        cause,
      });
    });
    enrolled = true;
    log("this machine has an owner: it is called with certificates from now on");
    // Not waited for: it may change the network that the answer goes by. Where power goes now, the next boot lays it.
    if (kept) void layNow(documents);
    return kept ? resultOf(kept) : { problems: [], reboot: [] };
  };
  const layNow = async (documents: readonly ConfigDocument[]): Promise<void> => {
    await config.apply({ documents, mode: "auto" }, new AbortController().signal).catch((error: unknown) => {
      log(`the machine config of the owner is laid at the next boot: ${(error as Error).message}`);
    });
  };

  return {
    isEnrolled,
    prepare: async () => {
      await makePrivateFolder(folder);
      await removeUnfinished(folder);
    },
    enrol: async (request, signal) => {
      const mine = turn.then(async () => await take(request, signal));
      turn = mine.catch(() => {});
      return await mine;
    },
  };
}

const resultOf = ({ generation, problems, plan }: ConfigResult): EnrolResult => ({
  ...(generation === undefined ? {} : { generation }),
  ...{ problems, reboot: plan.reboot },
});
