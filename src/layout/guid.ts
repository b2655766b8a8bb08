/** @portable GUIDs: text in lower case, bytes in the mixed order of UEFI (the first three fields are little-endian). */
import { AppError } from "../core/error.ts";

/** `c12a7328-f81f-11d2-ba4b-00a0c93ec93b`: 32 hexadecimal digits in lower case and four dashes. */
export type Guid = string;

/** Byte of the text's hexadecimal digits that stands at each place on disk. Source: UEFI 2.10, appendix A. */
const DISK_ORDER = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15] as const;

/**
 * The 16 bytes of a GUID as a partition table stores them; upper case is accepted.
 *
 * @throws AppError `GUID_INVALID`
 */
export function guidToBytes(guid: string): Uint8Array {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(guid)) {
    throw new AppError("GUID_INVALID", `${JSON.stringify(guid)} is not a GUID`);
  }
  const hex = guid.replaceAll("-", "");
  return Uint8Array.from(DISK_ORDER, (place) => Number.parseInt(hex.slice(place * 2, place * 2 + 2), 16));
}

/** The GUID whose 16 bytes start at `offset`. */
export function guidFromBytes(bytes: Uint8Array, offset = 0): Guid {
  const text: string[] = [];
  for (const [place, index] of DISK_ORDER.entries()) text[index] = bytes[offset + place]!.toString(16).padStart(2, "0");
  return guidFromHex(text.join(""));
}

/**
 * 32 hexadecimal digits in the order of a GUID's text: half of a root hash, or the start of any digest.
 *
 * @see {@link https://uapi-group.org/specifications/specs/discoverable_partitions_specification/} root hash and partition GUIDs
 * @throws AppError `GUID_INVALID`
 */
export function guidFromHex(hex: string): Guid {
  if (!/^[0-9a-f]{32}$/i.test(hex)) throw new AppError("GUID_INVALID", `${JSON.stringify(hex)} is not 32 hexadecimal digits`);
  const digits = hex.toLowerCase();
  return [
    [0, 8],
    [8, 12],
    [12, 16],
    [16, 20],
    [20, 32],
  ]
    .map(([from, to]) => digits.slice(from, to))
    .join("-");
}
