/** Private keys that sign releases: made, kept as text, opened. docs/formats/signing-key.md */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  scrypt,
  sign,
  type KeyObject,
  type ScryptOptions,
} from "node:crypto";
import { promisify } from "node:util";
import { xsalsa20poly1305 } from "@noble/ciphers/salsa.js";
import { AppError } from "../core/error.ts";
import type { SigningKey } from "../core/signature.ts";
import { decodeEncryptedKey, encodeEncryptedKey, isEncryptedKey } from "../layout/encrypted-key.ts";
import { decodePem, encodePem } from "../layout/pem.ts";

export interface NewSigningKey extends SigningKey {
  /** PKCS #8, DER. */
  readonly pkcs8: Uint8Array;
}

export async function newSigningKey(): Promise<NewSigningKey> {
  const { privateKey } = await promisify(generateKeyPair)("ec", { namedCurve: "P-256" });
  return { ...signingKeyOf(privateKey), pkcs8: new Uint8Array(privateKey.export({ type: "pkcs8", format: "der" })) };
}

/** As cosign keeps it. @param random that many bytes from the system */
export async function encryptSigningKey(
  pkcs8: Uint8Array,
  password: string,
  random: (length: number) => Uint8Array,
): Promise<string> {
  const [cost, salt, nonce] = [65_536, random(32), random(24)] as const;
  const ciphertext = xsalsa20poly1305(await derive(password, salt, cost), nonce).encrypt(pkcs8);
  return encodeEncryptedKey({ cost, salt, nonce, ciphertext });
}

/** Without a password: for a place that protects it by other means, the secrets of a CI. */
export const plainSigningKey = (pkcs8: Uint8Array): string => encodePem("PRIVATE KEY", pkcs8);

/**
 * A key from its text: encrypted as cosign does it, or plain PKCS #8.
 *
 * @param origin names the file in messages
 * @param password asked for only where the key has one
 * @throws AppError `KEY_INVALID`, `KEY_PASSWORD_WRONG`
 */
export async function openSigningKey(text: string, origin: string, password: () => Promise<string>): Promise<SigningKey> {
  const pkcs8 = isEncryptedKey(text) ? await decrypt(text, origin, password) : plain(text, origin);
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: Buffer.from(pkcs8), format: "der", type: "pkcs8" });
  } catch (cause) {
    throw invalid(origin, cause);
  }
  if (key.asymmetricKeyType !== "ec" || key.asymmetricKeyDetails?.namedCurve !== "prime256v1") throw invalid(origin);
  return signingKeyOf(key);
}

const signingKeyOf = (key: KeyObject): SigningKey => ({
  publicKey: new Uint8Array(createPublicKey(key).export({ type: "spki", format: "der" })),
  sign: (message) => new Uint8Array(sign("sha256", message, key)),
});

function plain(text: string, origin: string): Uint8Array {
  const block = decodePem(text);
  if (block?.label !== "PRIVATE KEY") throw invalid(origin);
  return block.bytes;
}

async function decrypt(text: string, origin: string, password: () => Promise<string>): Promise<Uint8Array> {
  const encrypted = decodeEncryptedKey(text);
  if (!encrypted) throw invalid(origin);
  const { cost, salt, nonce, ciphertext } = encrypted;
  const key = await derive(await password(), salt, cost);
  try {
    return xsalsa20poly1305(key, nonce).decrypt(ciphertext);
  } catch (cause) {
    throw new AppError("KEY_PASSWORD_WRONG", `${origin}: the password does not open this key`, {
      hint: "Try again; nobody can restore a key whose password is lost: revoke it with another one.",
      cause,
    });
  }
}

const derive = async (password: string, salt: Uint8Array, cost: number): Promise<Uint8Array> =>
  await promisify<string, Uint8Array, number, ScryptOptions, Buffer>(scrypt)(password, salt, 32, {
    ...{ N: cost, r: 8, p: 1 },
    maxmem: 256 * 1024 * cost,
  });

const invalid = (origin: string, cause?: unknown): AppError =>
  new AppError("KEY_INVALID", `${origin}: is not a private key of ECDSA on P-256, in cosign's form or as PKCS #8 (PEM)`, {
    hint: "Make one by `petrify keys generate` or `cosign generate-key-pair`.",
    cause,
  });
