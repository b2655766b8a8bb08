/** How a squashfs has packed the blocks of one of its files. Pure. Source: kernel docs, filesystems/squashfs; squashfs-tools' squashfs_fs.h, version 4.0. */
import { AppError } from "../src/core/error.ts";
import type { Bytes } from "../src/core/units.ts";

export interface PackedBlocks {
  /** Of a block unpacked. */
  readonly blockSize: Bytes;
  /** Bytes of each block as it is stored; 0 for one of zeros. */
  readonly packed: readonly Bytes[];
}

const MAGIC = 0x73717368;
const METADATA_UNPACKED = 0x8000;
const BLOCK_SIZE_BITS = 0xffffff;
const HEAD: Bytes = 16;
/** Of inodes before what varies. */
const SIZES = { folder: 32, file: 32, largeFile: 56, largeFolder: 40 } as const;

/**
 * Of the one file with that size.
 *
 * @param bytes a squashfs made with `-noI -no-fragments`, whose folders are few
 * @throws AppError `SQUASHFS_INVALID`
 */
export function packedBlocks(bytes: Uint8Array, fileSize: Bytes): PackedBlocks {
  const image = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (image.byteLength < 96 || image.getUint32(0, true) !== MAGIC) throw invalid("it does not begin as one");
  const count = image.getUint32(4, true);
  const blockSize = image.getUint32(12, true);
  const table = inodeTable(image, Number(image.getBigUint64(64, true)), Number(image.getBigUint64(72, true)));
  let at = 0;
  for (let inode = 0; inode < count; inode++) {
    const type = table.getUint16(at, true);
    if (type === 1) at += SIZES.folder;
    else if (type === 8) at += SIZES.largeFolder; // without an index: it is short
    else if (type === 2 || type === 9) {
      const size = type === 2 ? table.getUint32(at + 28, true) : Number(table.getBigUint64(at + HEAD + 8, true));
      const blocks = Math.ceil(size / blockSize);
      const first = at + (type === 2 ? SIZES.file : SIZES.largeFile);
      if (size === fileSize) {
        const packed = Array.from({ length: blocks }, (_, i) => table.getUint32(first + 4 * i, true) & BLOCK_SIZE_BITS);
        return { blockSize, packed };
      }
      at = first + 4 * blocks;
    } else throw invalid(`it has an inode of type ${type}`);
  }
  throw invalid(`it has no file of ${fileSize} bytes`);
}

function inodeTable(image: DataView, start: Bytes, end: Bytes): DataView {
  const parts: Uint8Array[] = [];
  for (let at = start; at < end;) {
    const head = image.getUint16(at, true);
    if (!(head & METADATA_UNPACKED)) throw invalid("its inodes are packed");
    const length = head & ~METADATA_UNPACKED;
    parts.push(new Uint8Array(image.buffer, image.byteOffset + at + 2, length));
    at += 2 + length;
  }
  const table = Buffer.concat(parts);
  return new DataView(table.buffer, table.byteOffset, table.byteLength);
}

const invalid = (why: string): AppError => new AppError("SQUASHFS_INVALID", `this squashfs cannot be read: ${why}`);
