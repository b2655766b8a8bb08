/** @portable The trusted keys as a file of whoever keeps them: the document of docs/formats/trusted-keys.md, on many lines, so that changes can be read. */
import type { Sha256 } from "../core/digest.ts";
import { AppError } from "../core/error.ts";
import { canonicalJson, type Json } from "./canonical-json.ts";
import { decodeTrustedKeys, type TrustedKeys } from "./trusted-keys.ts";

export const formatKeyList = (set: TrustedKeys): string => `${JSON.stringify(set, undefined, 2)}\n`;

/**
 * In whatever way it is laid out.
 *
 * @param origin names the file in messages
 * @throws AppError `KEYS_INVALID`
 */
export function parseKeyList(text: string, origin: string, sha256: Sha256): TrustedKeys {
  let bytes: Uint8Array;
  try {
    bytes = new TextEncoder().encode(canonicalJson(JSON.parse(text) as Json));
  } catch (cause) {
    throw new AppError("KEYS_INVALID", `${origin}: is no list of trusted keys`, {
      hint: "Make one by `petrify keys init`. Private keys do not belong into it.",
      cause,
    });
  }
  return decodeTrustedKeys(bytes, origin, sha256);
}
