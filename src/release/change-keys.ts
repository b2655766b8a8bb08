/** @portable The next set of trusted keys, as whoever keeps them makes it. That a machine takes it is trusted-keys.ts. */
import type { Sha256 } from "../core/digest.ts";
import { AppError } from "../core/error.ts";
import type { PublicKey } from "../core/signature.ts";
import { keyId, type KeyId } from "../layout/public-key.ts";
import { trustedKey, trustedKeys, MOST_KEYS, type TrustedKey, type TrustedKeys } from "./trusted-keys.ts";

/** The first set of all. @param keys at least one, each once */
export const firstKeys = (keys: readonly PublicKey[], sha256: Sha256): TrustedKeys =>
  trustedKeys(
    1,
    keys.map((key) => trustedKey(key, sha256)),
  );

/**
 * @param notBefore seconds since 1970: from then on releases may be signed with it; default: at once
 * @returns the same set where it has the key already
 * @throws AppError `KEY_REVOKED`, `KEYS_TOO_MANY`
 */
export function addKey(set: TrustedKeys, key: PublicKey, sha256: Sha256, notBefore?: number): TrustedKeys {
  const known = set.keys.find(({ id }) => id === keyId(key, sha256));
  if (known?.revoked !== undefined) {
    throw new AppError("KEY_REVOKED", `key ${known.id} is revoked for good`, {
      hint: "Make a new pair: `petrify keys generate`.",
    });
  }
  if (known) return set;
  return changed(set, [...set.keys, trustedKey(key, sha256, notBefore === undefined ? {} : { notBefore })]);
}

/**
 * The key is not trusted any more, nor anything that it has signed; for good.
 *
 * @param now seconds since 1970
 * @returns the same set where it is revoked already
 * @throws AppError `KEY_UNKNOWN`, `KEYS_NONE_LEFT`
 */
export function revokeKey(set: TrustedKeys, id: KeyId, now: number): TrustedKeys {
  if (theKey(set, id).revoked !== undefined) return set;
  return changed(
    set,
    set.keys.map((key) => (key.id === id ? { ...key, revoked: now } : key)),
  );
}

/**
 * The key is not trusted any more; it could come back. For keys that are done with, and in nobody else's hands.
 *
 * @throws AppError `KEY_UNKNOWN`, `KEY_REVOKED`, `KEYS_NONE_LEFT`
 */
export function removeKey(set: TrustedKeys, id: KeyId): TrustedKeys {
  if (theKey(set, id).revoked !== undefined) {
    throw new AppError("KEY_REVOKED", `key ${id} is revoked, and stays in the list so that it is for good`, {
      hint: "Leave it there: it costs 250 bytes.",
    });
  }
  return changed(
    set,
    set.keys.filter((key) => key.id !== id),
  );
}

function theKey({ keys }: TrustedKeys, id: KeyId): TrustedKey {
  const key = keys.find((one) => one.id === id);
  if (key) return key;
  throw new AppError("KEY_UNKNOWN", `there is no key ${id} in the list`, {
    hint: `It has ${keys.map((one) => one.id).join(", ")}.`,
  });
}

function changed({ epoch }: TrustedKeys, keys: readonly TrustedKey[]): TrustedKeys {
  if (keys.length > MOST_KEYS) {
    throw new AppError("KEYS_TOO_MANY", `a list has at most ${MOST_KEYS} keys, those that are revoked included`, {
      hint: "Remove keys that are not used any more.",
    });
  }
  if (keys.some(({ revoked }) => revoked === undefined)) return trustedKeys(epoch + 1, keys);
  throw new AppError("KEYS_NONE_LEFT", "no key would be left that is trusted", { hint: "Add the one that replaces it first." });
}
