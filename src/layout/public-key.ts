/** @portable Public keys that releases are signed with: ECDSA on P-256, as cosign makes them. */
import { hex, type Sha256 } from "../core/digest.ts";
import { AppError } from "../core/error.ts";
import type { PublicKey } from "../core/signature.ts";
import { decodePem, encodePem } from "./pem.ts";

/** SHA-256 of the {@link PublicKey}, 64 hexadecimal digits. */
export type KeyId = string;

/** What comes before the two coordinates: id-ecPublicKey, prime256v1, a bit string with an uncompressed point. Source: RFC 5480 */
const HEAD = "3059301306072a8648ce3d020106082a8648ce3d03010703420004";
const LENGTH = 91;

/** Whether these are the bytes of such a key; that its point is on the curve shows when it is used. */
export const isPublicKey = (bytes: Uint8Array): boolean => bytes.length === LENGTH && hex(bytes.subarray(0, 27)) === HEAD;

export const keyId = (key: PublicKey, sha256: Sha256): KeyId => hex(sha256.digest(key));

export const formatPublicKey = (key: PublicKey): string => encodePem("PUBLIC KEY", key);

/** @param origin names the file in messages @throws AppError `KEY_INVALID` */
export function parsePublicKey(text: string, origin: string): PublicKey {
  const block = decodePem(text);
  if (block?.label === "PUBLIC KEY" && isPublicKey(block.bytes)) return block.bytes;
  throw new AppError("KEY_INVALID", `${origin}: is not a public key of ECDSA on P-256 (PEM)`, {
    hint: "Make a pair by `petrify keys generate` or `cosign generate-key-pair`, and name its .pub file.",
  });
}
