/** A folder that `petrify gen secrets` has made: who signs certificates. docs/concepts/pki.md */
import { createPublicKey } from "node:crypto";
import { join, resolve } from "node:path";
import { Option } from "commander";
import type { Context } from "../client/contexts.ts";
import { AppError } from "../core/error.ts";
import { certificatesIn } from "../host/certificates.ts";
import { readText } from "../host/files.ts";
import { openSigningKey } from "../host/signing-key.ts";
import type { Authority } from "../pki/certificate.ts";
import { parseEpoch } from "../pki/identity.ts";

export const SECRETS = {
  authorityKey: "ca.key",
  authorities: "ca.pem",
  /** Of an authority that is to follow, and of the one that it followed. */
  nextKey: "next.key",
  formerKey: "former.key",
  epoch: "epoch",
  adminKey: "admin.key",
  adminCertificate: "admin.pem",
  recoveryToken: "recovery-token",
  /** Keys that nothing is signed for any more; there is none at first. */
  denied: "denied",
  /** Folder of the join tokens; there is none at first. */
  tokens: "tokens",
} as const;
export const SECRETS_FOLDER = "petrify-secrets";

export const secretsOption = (): Option =>
  new Option("--secrets <folder>", "of `petrify gen secrets`: it has the authority's key").default(SECRETS_FOLDER);

export interface OpenSecrets {
  /** Absolute. */
  readonly folder: string;
  readonly authority: Authority;
  /** PEM, one or more: those that machines and clients accept. */
  readonly authorities: string;
  readonly epoch: number;
}

/** Of a context. @throws AppError `NO_AUTHORITY_KEY`, `SECRETS_INVALID`, `KEY_INVALID` */
export async function secretsOf(named: string, { credentials }: Context): Promise<OpenSecrets> {
  if ("secrets" in credentials) return await openSecrets(credentials.secrets);
  throw new AppError("NO_AUTHORITY_KEY", `the context ${named} has no key of an authority: it cannot sign for a machine`, {
    hint: "Use a context that was added with --secrets.",
  });
}

/** @throws AppError `SECRETS_INVALID`, `KEY_INVALID` */
export async function openSecrets(folder: string): Promise<OpenSecrets> {
  const at = resolve(folder);
  const read = async (name: string): Promise<string> =>
    await readText(join(at, name)).catch((cause: NodeJS.ErrnoException) => {
      throw invalid(`${join(at, name)} cannot be read (${cause.code ?? cause.message})`, cause);
    });
  const [keyText, authorities, epochText] = await Promise.all(
    [SECRETS.authorityKey, SECRETS.authorities, SECRETS.epoch].map(async (name) => await read(name)),
  );
  const key = await openSigningKey(keyText!, join(at, SECRETS.authorityKey), () => {
    throw invalid(`${SECRETS.authorityKey} has a password`);
  });
  const publicKey = createPublicKey({ key: Buffer.from(key.publicKey), format: "der", type: "spki" });
  const own = certificatesIn(authorities!).find((one) => one.ca && one.publicKey.equals(publicKey));
  if (!own) throw invalid(`${join(at, SECRETS.authorities)} has no certificate of ${SECRETS.authorityKey}`);
  const epoch = parseEpoch(epochText!.trim());
  if (epoch === undefined) throw invalid(`${join(at, SECRETS.epoch)} is no number`);
  return { folder: at, authority: { certificate: new Uint8Array(own.raw), key }, authorities: authorities!, epoch };
}

const invalid = (message: string, cause?: unknown): AppError =>
  new AppError("SECRETS_INVALID", message, { hint: "Name a folder that `petrify gen secrets` has made.", cause });
