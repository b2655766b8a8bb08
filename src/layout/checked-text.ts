/** @portable A text with a line in front that tells whether it is whole: what lies raw on a partition. */
import { crc32 } from "./crc32.ts";
import { latin1Bytes, latin1Text } from "./env-block.ts";

/** Raw areas are written in these. */
const BLOCK = 4096;
const LENGTH_DIGITS = 5;

/** Bytes of the line `SIGNATURE LENGTH CRC32\n`, whose fields have fixed widths. */
export const checkedHeaderSize = (signature: string): number => `${signature} 00000 00000000\n`.length;

/** @param text Latin-1, less than 100000 characters @returns whole blocks of 4096 bytes */
export function encodeCheckedText(signature: string, text: string): Uint8Array {
  const body = latin1Bytes(text);
  const header = `${signature} ${String(body.length).padStart(LENGTH_DIGITS, "0")} ${crc32(body).toString(16).padStart(8, "0")}\n`;
  const bytes = new Uint8Array(Math.ceil((header.length + body.length) / BLOCK) * BLOCK);
  bytes.set(latin1Bytes(header));
  bytes.set(body, header.length);
  return bytes;
}

/**
 * The text; nothing where there is none, or not whole. Never throws.
 *
 * @param forms of the signature besides itself, as a regular expression that matches as many characters
 */
export function decodeCheckedText(signature: string, bytes: Uint8Array, forms = signature): string | undefined {
  const size = checkedHeaderSize(signature);
  const header = new RegExp(`^${forms} (\\d{5}) ([0-9a-f]{8})\n$`).exec(latin1Text(bytes.subarray(0, size)));
  if (!header) return undefined;
  const body = bytes.subarray(size, size + Number(header[1]));
  if (body.length !== Number(header[1]) || crc32(body) !== Number.parseInt(header[2]!, 16)) return undefined;
  return latin1Text(body);
}
