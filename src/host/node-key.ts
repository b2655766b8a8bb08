/** The key of a machine: made once, on the machine itself, and never anywhere else. docs/concepts/install.md */
import { createHash, createPublicKey, generateKeyPair, type KeyObject } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { replaceFile, syncDirectory } from "./replace-file.ts";

/** On the oem partition, from its root; only root may read it. */
export const NODE_KEY_FILE = "identity/node-key.pem";

export interface NodeKey {
  /** Private key: PKCS #8, ECDSA on P-256. Source: RFC 7468, section 10 */
  readonly pem: string;
  readonly fingerprint: string;
}

export async function newNodeKey(): Promise<NodeKey> {
  const { privateKey } = await promisify(generateKeyPair)("ec", { namedCurve: "P-256" });
  return { pem: privateKey.export({ type: "pkcs8", format: "pem" }), fingerprint: keyFingerprint(createPublicKey(privateKey)) };
}

/** @param pem PKCS #8 @throws Error for what is no key */
export const nodeKeyOf = (pem: string): NodeKey => ({ pem, fingerprint: keyFingerprint(createPublicKey(pem)) });

/** SHA-256 of the public key (SPKI, DER), as OpenSSH writes fingerprints: `SHA256:` and base64 without padding. */
export function keyFingerprint(publicKey: KeyObject): string {
  const der = publicKey.export({ type: "spki", format: "der" });
  return `SHA256:${createHash("sha256").update(der).digest("base64").replaceAll("=", "")}`;
}

/**
 * The key on an oem partition; made where there is none. Durable when it returns.
 *
 * @param oem where the partition is mounted
 * @throws Error for a key that cannot be read or stored: it is left alone, since whoever knows the machine knows it by that one
 */
export async function nodeKeyOn(oem: string): Promise<NodeKey> {
  const path = join(oem, NODE_KEY_FILE);
  const found = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (found !== undefined) return nodeKeyOf(found);
  const made = await newNodeKey();
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await replaceFile(path, made.pem, 0o600);
  await syncDirectory(oem);
  return made;
}
