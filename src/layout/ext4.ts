/** @portable The little that is read of an ext4 file system without mounting it. Source: Linux, Documentation/filesystems/ext4/super.rst */
import type { Bytes } from "../core/units.ts";

/** Bytes from the start of a file system that hold its superblock. */
export const EXT4_SUPERBLOCK_END: Bytes = 2048;

const START = 1024;
const AT = { blocksLow: 0x4, logBlockSize: 0x18, magic: 0x38, incompatible: 0x60, blocksHigh: 0x150 } as const;
const MAGIC = 0xef53;
const FEATURE_64BIT = 0x80;
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
