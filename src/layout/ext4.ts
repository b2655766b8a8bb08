/** @portable The little that is read of an ext4 file system without mounting it. Source: Linux, Documentation/filesystems/ext4/super.rst */
import type { Bytes } from "../core/units.ts";

/** Bytes from the start of a file system that hold its superblock. */
export const EXT4_SUPERBLOCK_END: Bytes = 2048;

const START = 1024;
const AT = { blocksLow: 0x4, logBlockSize: 0x18, magic: 0x38, incompatible: 0x60, blocksHigh: 0x150, checksum: 0x3fc } as const;
const MAGIC = 0xef53;
const FEATURE_64BIT = 0x80;
/** Directory entries with types, a journal to be replayed, extents, 64 bits, flexible groups: {@link storeConfig} of mke2fs.ts has no other. */
const STORE_FEATURES = 0x2 | 0x4 | 0x40 | FEATURE_64BIT | 0x200;
const LARGEST_LOG = 6; // 64 KiB

/** How large the file system is; nothing where there is none. @param bytes from its start, {@link EXT4_SUPERBLOCK_END} of them */
export function ext4Size(bytes: Uint8Array): Bytes | undefined {
  if (bytes.length < EXT4_SUPERBLOCK_END) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + START);
  const logBlockSize = view.getUint32(AT.logBlockSize, true);
  if (view.getUint16(AT.magic, true) !== MAGIC || logBlockSize > LARGEST_LOG) return undefined;
  const high = view.getUint32(AT.incompatible, true) & FEATURE_64BIT ? view.getUint32(AT.blocksHigh, true) : 0;
  return (high * 2 ** 32 + view.getUint32(AT.blocksLow, true)) * 1024 * 2 ** logBlockSize;
}

/**
 * `newer`: somebody made it on purpose, with features that this version gives to no image store.
 *
 * @param bytes as of {@link ext4Size}
 */
export function storeSuperblock(bytes: Uint8Array): "none" | "damaged" | "newer" | "whole" {
  if (ext4Size(bytes) === undefined) return "none";
  const view = new DataView(bytes.buffer, bytes.byteOffset + START);
  const checksum = crc32c(bytes.subarray(START, START + AT.checksum));
  if (view.getUint32(AT.checksum, true) !== checksum) return "damaged";
  return (view.getUint32(AT.incompatible, true) & ~STORE_FEATURES) === 0 ? "whole" : "newer";
}

/** CRC-32C as ext4 has it: polynomial 0x1EDC6F41 reflected, inverted at its start, not at its end. */
function crc32c(bytes: Uint8Array): number {
  let value = 0xffffffff;
  for (const byte of bytes) {
    value ^= byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  }
  return value >>> 0;
}
