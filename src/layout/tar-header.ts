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
  const expected = octal(block, 148, 8);
  // Some old programs summed signed characters.
  if (expected === undefined || (expected !== sumOf(block, false) && expected !== sumOf(block, true))) {
    return "the checksum of its header is wrong";
  }
  const flag = String.fromCharCode(block[156]!);
  const field = (at: number, length: number): ByteText => {
    const end = block.indexOf(0, at);
    return byteText(block.subarray(at, end === -1 ? at + length : Math.min(end, at + length)));
  };
  const magic = byteText(block.subarray(257, 265));
  // GNU's magic, and the lack of one in older archives, mean that there is no prefix.
  const prefix = magic.startsWith("ustar\0") ? field(345, 155) : "";
  const hasDevice = magic.startsWith("ustar") && (flag === "3" || flag === "4");
  const numbers = {
    mode: number(block, 100, 8),
    uid: number(block, 108, 8),
    gid: number(block, 116, 8),
    size: number(block, 124, 12),
    mtime: number(block, 136, 12),
    major: hasDevice ? number(block, 329, 8) : 0,
    minor: hasDevice ? number(block, 337, 8) : 0,
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

const FIRST_OF_CHECKSUM = 148;
const END_OF_CHECKSUM = 156;

/** With the checksum itself as spaces. */
function sumOf(block: Uint8Array, signed: boolean): number {
  let sum = 0;
  for (let i = 0; i < TAR_BLOCK; i++) {
    const byte = i >= FIRST_OF_CHECKSUM && i < END_OF_CHECKSUM ? SPACE : block[i]!;
    sum += signed && byte > 127 ? byte - 256 : byte;
  }
  return sum;
}

/** Octal digits, or GNU's base 256: the first bit set, then a two's complement number, the highest byte first. */
function number(block: Uint8Array, at: number, length: number): number | undefined {
  if ((block[at]! & 0x80) === 0) return octal(block, at, length);
  const negative = (block[at]! & 0x40) !== 0;
  let value = BigInt(negative ? block[at]! : block[at]! & 0x7f);
  for (let i = at + 1; i < at + length; i++) value = (value << 8n) | BigInt(block[i]!);
  if (negative) value -= 1n << BigInt(8 * length);
  const result = Number(value);
  return Number.isSafeInteger(result) ? result : undefined;
}

const SPACE = 0x20;

/** Digits with spaces before them, and spaces and zero bytes after; blank is 0, as device numbers of files are. */
function octal(block: Uint8Array, at: number, length: number): number | undefined {
  const end = at + length;
  let i = at;
  let value = 0;
  while (i < end && block[i] === SPACE) i++;
  for (; i < end && block[i]! >= 0x30 && block[i]! <= 0x37; i++) value = value * 8 + block[i]! - 0x30;
  for (; i < end; i++) if (block[i] !== SPACE && block[i] !== 0) return undefined;
  return value;
}
