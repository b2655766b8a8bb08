/** @portable One block that begins an entry of a tar, decoded. Source: POSIX.1-2017, pax; GNU tar manual, "Basic Tar Format"; tar(5) of FreeBSD */
import type { Bytes } from "../core/units.ts";
import { byteText, type ByteText } from "./byte-text.ts";
import { TAR_BLOCK } from "./tar-entry.ts";

export interface TarHeader {
  /** One character; old archives have a zero byte for a file. */
  readonly flag: string;
  readonly name: ByteText;
  readonly target: ByteText;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: Bytes;
  readonly mtime: number;
  readonly device: readonly [major: number, minor: number];
}

/** @returns a header, or what is wrong with the block */
export function decodeTarHeader(block: Uint8Array): TarHeader | string {
  let sum = 0;
  let signed = 0;
  for (let i = 0; i < TAR_BLOCK; i++) {
    const byte = i >= 148 && i < 156 ? 0x20 : block[i]!;
    sum += byte;
    signed += byte > 127 ? byte - 256 : byte;
  }
  const expected = octal(block.subarray(148, 156));
  // Some old programs summed signed characters.
  if (expected === undefined || (expected !== sum && expected !== signed)) return "the checksum of its header is wrong";
  const flag = String.fromCharCode(block[156]!);
  const field = (at: number, length: number): ByteText => text(block.subarray(at, at + length));
  const magic = byteText(block.subarray(257, 265));
  // GNU's magic, and the lack of one in older archives, mean that there is no prefix.
  const prefix = magic.startsWith("ustar\0") ? field(345, 155) : "";
  const hasDevice = magic.startsWith("ustar") && (flag === "3" || flag === "4");
  const numbers = {
    mode: number(block.subarray(100, 108)),
    uid: number(block.subarray(108, 116)),
    gid: number(block.subarray(116, 124)),
    size: number(block.subarray(124, 136)),
    mtime: number(block.subarray(136, 148)),
    major: hasDevice ? number(block.subarray(329, 337)) : 0,
    minor: hasDevice ? number(block.subarray(337, 345)) : 0,
  };
  for (const [name, value] of Object.entries(numbers)) {
    if (value === undefined) return `its ${name} is not a number`;
    if (value < 0 && name !== "mtime") return `its ${name} is negative`;
  }
  const { major, minor, mode, ...rest } = numbers as { readonly [key in keyof typeof numbers]: number };
  return {
    ...{ flag, name: prefix === "" ? field(0, 100) : `${prefix}/${field(0, 100)}`, target: field(157, 100) },
    ...{ ...rest, mode: mode % 0o10000, device: [major, minor] },
  };
}

/** Up to the first zero byte. */
function text(bytes: Uint8Array): ByteText {
  const end = bytes.indexOf(0);
  return byteText(end === -1 ? bytes : bytes.subarray(0, end));
}

/** Octal digits, or GNU's base 256: the first bit set, then a two's complement number, the highest byte first. */
function number(field: Uint8Array): number | undefined {
  if ((field[0]! & 0x80) === 0) return octal(field);
  const negative = (field[0]! & 0x40) !== 0;
  let value = 0n;
  for (const [index, byte] of field.entries())
    value = (value << 8n) | BigInt(index === 0 ? (negative ? byte : byte & 0x7f) : byte);
  if (negative) value -= 1n << BigInt(8 * field.length);
  const result = Number(value);
  return Number.isSafeInteger(result) ? result : undefined;
}

/** Blank is 0, as device numbers of files are. */
function octal(field: Uint8Array): number | undefined {
  const match = /^ *([0-7]*)[ \0]*$/.exec(text(field).concat(" "));
  return match ? Number.parseInt(`0${match[1]}`, 8) : undefined;
}
