/** @portable The keys that a machine trusts for releases, and how one set of them follows another. Format: docs/formats/trusted-keys.md. */
import type { Sha256 } from "../core/digest.ts";
import { AppError } from "../core/error.ts";
import type { PublicKey } from "../core/signature.ts";
import { base64, bytesOfBase64 } from "../layout/base64.ts";
import { canonicalJson, parseCanonicalJson } from "./canonical-json.ts";
import { isPublicKey, keyId, type KeyId } from "../layout/public-key.ts";

/** Where an image has its set, and a `.pub` file for each key that is in force. */
export const KEYS_FOLDER = "/usr/lib/petrify/keys";
export const TRUSTED_KEYS_PATH = `${KEYS_FOLDER}/trusted-keys.json`;
/** Of a set, revoked ones included. */
export const MOST_KEYS = 64;

/** No interface: those are no {@link Json}. */
export type TrustedKey = {
  readonly id: string;
  /** SubjectPublicKeyInfo in base64. */
  readonly publicKey: string;
  /** Seconds since 1970: releases that were created before are not the key's. */
  readonly notBefore?: number | undefined;
  /** Seconds since 1970: when it was revoked. Since then nothing it has ever signed counts. */
  readonly revoked?: number | undefined;
};
export type TrustedKeys = {
  readonly format: 1;
  /** Of two sets the one with the larger number is newer. */
  readonly epoch: number;
  /** Sorted by id, each once. */
  readonly keys: readonly TrustedKey[];
};

type Fits = (value: unknown) => boolean;
const isTime: Fits = (value) => value === undefined || (Number.isSafeInteger(value) && (value as number) >= 0);
const SET: Readonly<Record<keyof TrustedKeys, Fits>> = {
  format: (value) => value === 1,
  epoch: (value) => Number.isSafeInteger(value) && (value as number) >= 1,
  keys: (value) => Array.isArray(value) && value.length >= 1 && value.length <= MOST_KEYS,
};
const KEY: Readonly<Record<keyof TrustedKey, Fits>> = {
  id: (value) => typeof value === "string" && /^[0-9a-f]{64}$/.test(value),
  publicKey: (value) => typeof value === "string" && value.length <= 200,
  ...{ notBefore: isTime, revoked: isTime },
};

/**
 * By hand: a schema library would cost an agent, which reads this at every start, a third of its memory.
 *
 * @throws Error that names what is wrong: `keys.0.id: …`
 */
export function parseTrustedKeys(value: unknown, sha256: Sha256): TrustedKeys {
  assertShape(value, SET, "");
  const set = value as unknown as TrustedKeys;
  for (const [index, key] of set.keys.entries()) assertShape(key, KEY, `keys.${index}`);
  return checkTrustedKeys(set, sha256);
}

function assertShape(value: unknown, shape: Readonly<Record<string, Fits>>, place: string): asserts value is object {
  const at = (key: string): string => (place === "" ? key : `${place}.${key}`);
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error(`${place || "it"} is no object`);
  for (const key of Object.keys(value)) if (!Object.hasOwn(shape, key)) throw new Error(`${at(key)}: is not a key of it`);
  for (const [key, fits] of Object.entries(shape)) {
    const found: unknown = Object.hasOwn(value, key) ? (value as Readonly<Record<string, unknown>>)[key] : undefined;
    if (!fits(found)) throw new Error(`${at(key)}: is ${found === undefined ? "missing" : "not what it should be"}`);
  }
}

/** @throws AppError `KEYS_INVALID` */
export function decodeTrustedKeys(bytes: Uint8Array, origin: string, sha256: Sha256): TrustedKeys {
  try {
    return parseTrustedKeys(parseCanonicalJson(bytes), sha256);
  } catch (cause) {
    throw new AppError("KEYS_INVALID", `${origin}: ${(cause as Error).message}`, { cause });
  }
}

export const encodeTrustedKeys = (set: TrustedKeys): Uint8Array => new TextEncoder().encode(canonicalJson(set));

/** What a schema cannot say. @throws Error with a few words */
function checkTrustedKeys(set: TrustedKeys, sha256: Sha256): TrustedKeys {
  for (const [index, key] of set.keys.entries()) {
    const bytes = bytesOfBase64(key.publicKey);
    if (!bytes || !isPublicKey(bytes)) throw new Error(`keys.${index}: is not a public key of ECDSA on P-256`);
    if (keyId(bytes, sha256) !== key.id) throw new Error(`keys.${index}: the id is not that of the public key`);
    if (index > 0 && set.keys[index - 1]!.id >= key.id) throw new Error("the keys are not sorted by id, or one is there twice");
  }
  if (set.keys.every(({ revoked }) => revoked !== undefined)) throw new Error("all keys are revoked");
  return set;
}

/** An entry for a key. */
export const trustedKey = (key: PublicKey, sha256: Sha256, more: Partial<TrustedKey> = {}): TrustedKey => ({
  ...{ id: keyId(key, sha256), publicKey: base64(key) },
  ...more,
});

/** A set of these keys, in their order. */
export const trustedKeys = (epoch: number, keys: readonly TrustedKey[]): TrustedKeys => ({
  ...{ format: 1, epoch },
  keys: keys.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
});

/** Why a signature of this key does not count for a release of that time; nothing when it does. */
export function keyRefusal(key: TrustedKey, created: number): "KEY_REVOKED" | "KEY_NOT_YET_VALID" | undefined {
  if (key.revoked !== undefined) return "KEY_REVOKED";
  return key.notBefore !== undefined && created < key.notBefore ? "KEY_NOT_YET_VALID" : undefined;
}

export interface SignedKeys {
  readonly keys: TrustedKeys;
  /** Keys of the current set by which the release that carries the new one is signed. */
  readonly signers: readonly KeyId[];
  /** Of that release, seconds since 1970. */
  readonly created: number;
}
export type NextTrust =
  | { readonly is: "next"; readonly keys: TrustedKeys }
  /** The set that the machine has is this one, or a newer one: it stays. */
  | { readonly is: "kept" }
  | { readonly is: "refused"; readonly refusal: AppError };

/** What becomes of the keys that a machine trusts when a release carries a set. Pure; the set is whole ({@link checkTrustedKeys}). */
export function nextTrust(current: TrustedKeys, { keys: next, signers, created }: SignedKeys): NextTrust {
  const byId = new Map(current.keys.map((key) => [key.id, key]));
  const judged = signers.flatMap((id) => byId.get(id) ?? []).map((key) => ({ key, refusal: keyRefusal(key, created) }));
  if (!judged.some(({ refusal }) => refusal === undefined)) {
    const [first] = judged;
    return first
      ? refused(
          first.refusal!,
          `key ${first.key.id} may not change the trusted keys`,
          "Sign the release with a key that is in force.",
        )
      : refused(
          "KEY_UNKNOWN",
          "none of the trusted keys has signed the new ones",
          "Sign the release with a key that this machine trusts.",
        );
  }
  return follows(current, next);
}

/**
 * What a machine goes by when it boots. `stored` is what it has kept: trust never goes back, whichever image boots. The image's own set counts where there is
 * no other, and where it may follow the stored one: a machine that was installed anew, or cut off before it had stored it, has taken the image all the same.
 */
export function effectiveTrust(ofImage: TrustedKeys | undefined, stored: TrustedKeys | undefined): TrustedKeys | undefined {
  if (!ofImage || !stored) return stored ?? ofImage;
  return follows(stored, ofImage).is === "next" ? ofImage : stored;
}

/** Whoever has signed it. */
function follows(current: TrustedKeys, next: TrustedKeys): NextTrust {
  if (next.epoch < current.epoch) return { is: "kept" };
  if (next.epoch === current.epoch) {
    if (canonicalJson(next) === canonicalJson(current)) return { is: "kept" };
    return refused(
      "KEYS_CONFLICT",
      `there are two different sets of trusted keys with the epoch ${next.epoch}`,
      "Make the new set with the next epoch: `petrify keys rotate` or `revoke` does.",
    );
  }
  const stillRevoked = new Set(next.keys.filter(({ revoked }) => revoked !== undefined).map(({ id }) => id));
  const revived = current.keys.find(({ id, revoked }) => revoked !== undefined && !stillRevoked.has(id));
  if (revived) {
    return refused(
      "KEYS_REVIVED",
      `key ${revived.id} is revoked, and the new set does not say so`,
      "A revoked key stays in the list for good: make the new set from the newest one.",
    );
  }
  if (next.keys.every(({ revoked }) => revoked !== undefined)) {
    return refused("KEYS_NONE_LEFT", "the new set revokes all of its keys", "Add a key that replaces them.");
  }
  return { is: "next", keys: next };
}

const refused = (code: string, message: string, hint: string): NextTrust => ({
  is: "refused",
  refusal: new AppError(code, message, { hint }),
});
