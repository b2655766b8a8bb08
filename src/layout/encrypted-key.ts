/**
 * @portable The text of a private key that a password protects, as cosign writes it. Format: docs/formats/signing-key.md.
 * Source: go-securesystemslib, encrypted/encrypted.go.
 */
import { base64, bytesOfBase64 } from "./base64.ts";
import { decodePem, encodePem } from "./pem.ts";

const LABEL = "ENCRYPTED SIGSTORE PRIVATE KEY";
/** What cosign wrote before version 2. */
const LABELS = new Set([LABEL, "ENCRYPTED COSIGN PRIVATE KEY"]);

export interface EncryptedKey {
  /** Of scrypt (RFC 7914): `N`; its `r` is 8 and its `p` 1. */
  readonly cost: 32_768 | 65_536;
  /** 32 bytes. */
  readonly salt: Uint8Array;
  /** 24 bytes, for secretbox of NaCl: XSalsa20 and Poly1305. */
  readonly nonce: Uint8Array;
  /** Tag (16 bytes), then the encrypted PKCS #8. */
  readonly ciphertext: Uint8Array;
}

/** As it may be: every part is somebody else's. */
interface Envelope {
  readonly kdf?: { readonly name?: unknown; readonly salt?: unknown; readonly params?: Readonly<Record<string, unknown>> };
  readonly cipher?: { readonly name?: unknown; readonly nonce?: unknown };
  readonly ciphertext?: unknown;
}

/** Whether a text means to be such a key. */
export const isEncryptedKey = (text: string): boolean => LABELS.has(decodePem(text)?.label ?? "");

/** Nothing for anything else. */
export function decodeEncryptedKey(text: string): EncryptedKey | undefined {
  const block = decodePem(text);
  if (!block || !LABELS.has(block.label)) return undefined;
  let envelope: Envelope | null;
  try {
    envelope = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(block.bytes)) as Envelope | null;
  } catch {
    return undefined;
  }
  const { kdf, cipher } = envelope ?? {};
  const { N: cost, r, p } = kdf?.params ?? {};
  // Not any others: a strange file must not ask for all the memory there is.
  if (kdf?.name !== "scrypt" || (cost !== 32_768 && cost !== 65_536) || r !== 8 || p !== 1) return undefined;
  if (cipher?.name !== "nacl/secretbox") return undefined;
  const [salt, nonce, ciphertext] = [
    bytesOf(kdf.salt, 32, 32),
    bytesOf(cipher.nonce, 24, 24),
    bytesOf(envelope?.ciphertext, 17, 4096),
  ];
  return salt && nonce && ciphertext ? { cost, salt, nonce, ciphertext } : undefined;
}

function bytesOf(value: unknown, least: number, most: number): Uint8Array | undefined {
  const bytes = typeof value === "string" ? bytesOfBase64(value) : undefined;
  return bytes && bytes.length >= least && bytes.length <= most ? bytes : undefined;
}

export function encodeEncryptedKey({ cost, salt, nonce, ciphertext }: EncryptedKey): string {
  const envelope = {
    kdf: { name: "scrypt", params: { N: cost, r: 8, p: 1 }, salt: base64(salt) },
    cipher: { name: "nacl/secretbox", nonce: base64(nonce) },
    ciphertext: base64(ciphertext),
  };
  return encodePem(LABEL, new TextEncoder().encode(JSON.stringify(envelope)));
}
