/** What an owner changes about how a machine and its callers know one another. docs/concepts/pki.md */
import { verify } from "node:crypto";
import { AppError } from "../core/error.ts";
import { readText } from "../host/files.ts";
import { replaceFile } from "../host/replace-file.ts";
import { certificatesIn } from "../host/certificates.ts";
import type { MachineEvent } from "../layout/events.ts";
import { API_FOLDER, AUTHORITIES_FILE, CERTIFICATE_FILE, EPOCH_FILE, RECOVERY_FILE, TRUST_FILE } from "../layout/api-places.ts";
import { parseEpoch } from "../pki/identity.ts";
import { decodeTrustStatement, type TrustStatement } from "../pki/trust-statement.ts";
import { assertNodeCertificate, authoritiesIn } from "./owner.ts";

/** The agent's own calls for it. */
export const REPLACE_CERTIFICATE = "POST /owner/certificate";
export const REPLACE_TRUST = "POST /owner/trust";
/** As the first one, of a machine that has asked for it itself. */
export const RENEW = "POST /owner/renew";

export interface SignedStatement {
  readonly statement: string;
  /** Base64. */
  readonly signature: string;
}
export interface Changed {
  readonly changed: boolean;
}
export interface Ownership {
  /** @param certificate PEM @throws AppError `NODE_CERTIFICATE_INVALID` */
  readonly replaceCertificate: (certificate: string) => Promise<Changed>;
  /** @throws AppError `TRUST_INVALID`, `TRUST_UNSIGNED`, `TRUST_OLDER`, `API_AUTHORITY_INVALID` */
  readonly replaceTrust: (signed: SignedStatement) => Promise<Changed>;
}

export function openOwnership({
  fingerprint,
  log,
  folder = API_FOLDER,
}: {
  /** Of the machine's key. */
  readonly fingerprint: () => string | undefined;
  readonly log: (line: string, event?: MachineEvent) => void;
  readonly folder?: string;
}): Ownership {
  const at = (name: string): string => `${folder}/${name}`;
  const perhaps = async (name: string): Promise<string | undefined> =>
    await readText(at(name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
  const accepted = async () => authoritiesIn((await perhaps(AUTHORITIES_FILE)) ?? "");
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = async (change: () => Promise<Changed>): Promise<Changed> => {
    const mine = turn.then(change);
    turn = mine.catch(() => {});
    return await mine;
  };

  const takeTrust = async ({ statement, signature }: SignedStatement): Promise<Changed> => {
    const next = decodeTrustStatement(statement);
    if (!next) throw new AppError("TRUST_INVALID", "the statement on whom to trust cannot be understood");
    authoritiesIn(next.authorities);
    const [bytes, proof] = [Buffer.from(statement), Buffer.from(signature, "base64")];
    if (!(await accepted()).some(({ publicKey }) => verify("sha256", bytes, publicKey, proof))) {
      throw new AppError("TRUST_UNSIGNED", "no authority that this machine accepts has signed the statement on whom to trust", {
        hint: "Sign it with the authority that the machine has been given before.",
      });
    }
    const before = await perhaps(TRUST_FILE);
    const last = before === undefined ? undefined : decodeTrustStatement(before);
    // What is the same was not cut off either: the statement is written last.
    if (last?.epoch === next.epoch && last.authorities === next.authorities && last.recovery === next.recovery)
      return { changed: false };
    const epoch = parseEpoch((await perhaps(EPOCH_FILE))?.trim() ?? "0") ?? 0;
    assertNewer(next, last, epoch);
    // Each by itself is safe to have without the next; and what is not whole is done again, for the statement comes last.
    await replaceFile(at(EPOCH_FILE), `${next.epoch}\n`, 0o600);
    if (next.recovery !== undefined) await replaceFile(at(RECOVERY_FILE), `${next.recovery}\n`, 0o600);
    await replaceFile(at(AUTHORITIES_FILE), next.authorities, 0o600);
    await replaceFile(at(TRUST_FILE), statement, 0o600);
    log(`the owner has said anew whose callers are let in: epoch ${next.epoch}`);
    return { changed: true };
  };

  return {
    replaceCertificate: async (certificate) =>
      await inTurn(async () => {
        const own = fingerprint();
        if (own === undefined) throw new AppError("NODE_KEY_MISSING", "this machine has no key: it cannot be known again");
        assertNodeCertificate(certificate, await accepted(), own);
        if ((await perhaps(CERTIFICATE_FILE)) === certificate) return { changed: false };
        await replaceFile(at(CERTIFICATE_FILE), certificate, 0o600);
        const until = certificatesIn(certificate)[0]?.validToDate.toISOString();
        log("this machine has another certificate", {
          kind: "certificate-replaced",
          certificate: until === undefined ? {} : { until },
        });
        return { changed: true };
      }),
    replaceTrust: async (signed) => await inTurn(async () => await takeTrust(signed)),
  };
}

/** Nobody brings back what was revoked by showing an old statement again. */
function assertNewer(next: TrustStatement, before: TrustStatement | undefined, epoch: number): void {
  if (next.epoch < epoch)
    throw new AppError("TRUST_OLDER", `the statement says epoch ${next.epoch}, and this machine is at epoch ${epoch} already`);
  if (before && next.made < before.made)
    throw new AppError("TRUST_OLDER", "the statement on whom to trust is older than the one that this machine has");
}
