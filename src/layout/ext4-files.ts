/** @portable Where a small file of an ext4 volume lies, read without mounting it: the kernel sees nothing of what somebody has plugged in. Source: Linux, Documentation/filesystems/ext4 */
import { AppError } from "../core/error.ts";
import { MiB, type Bytes } from "../core/units.ts";
import { latin1Text } from "./env-block.ts";
import type { ReadAt } from "./gpt.ts";

interface Volume {
  readonly read: ReadAt;
  readonly block: Bytes;
  readonly inodes: number;
  readonly inodesPerGroup: number;
  readonly inodeSize: Bytes;
  /** Of the table that says where each group's inodes are. */
  readonly groups: Bytes;
  readonly groupSize: Bytes;
}
interface Inode {
  readonly kind: "file" | "folder" | "other";
  readonly size: Bytes;
  readonly extents: readonly Extent[];
}
interface Extent {
  readonly start: Bytes;
  readonly size: Bytes;
}

const SUPERBLOCK = { start: 1024, size: 1024 } as const;
const MAGIC = 0xef53;
const LARGEST_LOG = 5; // 32 KiB
const FEATURE_64BIT = 0x80;
/**
 * Incompatible features that change nothing of what is read here: types in folders, a journal to be replayed (what is only in there is not seen),
 * extents, 64 bits, mount protection, flexible groups, values in inodes of their own, checksum seeds, large folders, data in inodes (of others), casefold.
 */
const KNOWN = 0x2 | 0x4 | 0x40 | FEATURE_64BIT | 0x100 | 0x200 | 0x400 | 0x2000 | 0x4000 | 0x8000 | 0x20000;
const ROOT_INODE = 2;
const TYPE = { mask: 0xf000, file: 0x8000, folder: 0x4000 } as const;
const FLAG = { encrypted: 0x800, extents: 0x80000, inline: 0x10000000 } as const;
const EXTENT_MAGIC = 0xf30a;
const DEEPEST = 5;
/** Of one file: small ones are looked for. */
const MAX_EXTENTS = 1000;
/** Longer extents have no data yet. */
const WRITTEN_LENGTH = 32_768;
/** A folder larger than this is not believed. */
const MAX_FOLDER: Bytes = 2 * MiB;

/** @returns nothing when this is no ext2, ext3 or ext4 volume; empty when it has no label */
export function ext4Label(read: ReadAt): string | undefined {
  const bytes = read(SUPERBLOCK.start, SUPERBLOCK.size);
  if (bytes.length < SUPERBLOCK.size || viewOf(bytes).getUint16(0x38, true) !== MAGIC) return undefined;
  return latin1Text(bytes.subarray(0x78, 0x88)).split("\0", 1)[0]!;
}

/**
 * A file by its names, as they are written. Links are not followed.
 *
 * @param path from the root: `user-data`
 * @throws AppError `EXT4_INVALID`, also for what only a mount can read; `EXT4_FILE_MISSING`
 */
export function findInExt4(read: ReadAt, path: string): { readonly size: Bytes; readonly extents: readonly Extent[] } {
  const volume = openVolume(read);
  let inode = readInode(volume, ROOT_INODE);
  for (const name of path.split("/").filter((part) => part !== "")) {
    const number = inode.kind === "folder" ? lookUp(volume, inode, name) : undefined;
    if (number === undefined) throw new AppError("EXT4_FILE_MISSING", `there is no ${path} on this ext4 volume`);
    inode = readInode(volume, number);
  }
  if (inode.kind !== "file") throw new AppError("EXT4_FILE_MISSING", `what is at ${path} on this ext4 volume is no file`);
  return inode;
}

function openVolume(read: ReadAt): Volume {
  const view = viewOf(whole(read, SUPERBLOCK.start, SUPERBLOCK.size));
  if (view.getUint16(0x38, true) !== MAGIC) throw invalid("it has no superblock");
  const log = view.getUint32(0x18, true);
  if (log > LARGEST_LOG) throw invalid("its blocks are too large");
  const features = view.getUint32(0x60, true);
  if ((features & ~KNOWN) !== 0) throw invalid(`it has features that are not read (0x${(features & ~KNOWN).toString(16)})`);
  const isOld = view.getUint32(0x4c, true) === 0;
  const inodeSize = isOld ? 128 : view.getUint16(0x58, true);
  const groupSize = (features & FEATURE_64BIT) !== 0 ? view.getUint16(0xfe, true) : 32;
  const inodesPerGroup = view.getUint32(0x28, true);
  if (inodeSize < 128 || inodeSize > 1024 * 2 ** log || inodesPerGroup === 0 || groupSize < 32 || groupSize > 1024)
    throw invalid("its superblock is damaged");
  const block = 1024 * 2 ** log;
  const groups = (view.getUint32(0x14, true) + 1) * block;
  return { read, block, inodes: view.getUint32(0, true), inodesPerGroup, inodeSize, groups, groupSize };
}

function readInode(volume: Volume, number: number): Inode {
  const { read, block, inodes, inodesPerGroup, inodeSize, groups, groupSize } = volume;
  if (number < 1 || number > inodes) throw invalid(`it has no inode ${number}`);
  const group = viewOf(whole(read, groups + Math.floor((number - 1) / inodesPerGroup) * groupSize, groupSize));
  const table = group.getUint32(0x8, true) + (groupSize >= 64 ? group.getUint32(0x28, true) : 0) * 2 ** 32;
  const bytes = whole(read, table * block + ((number - 1) % inodesPerGroup) * inodeSize, 128);
  const view = viewOf(bytes);
  const type = view.getUint16(0, true) & TYPE.mask;
  const kind = type === TYPE.file ? "file" : type === TYPE.folder ? "folder" : "other";
  const size = view.getUint32(0x4, true) + view.getUint32(0x6c, true) * 2 ** 32;
  if (kind === "other") return { kind, size, extents: [] };
  const flags = view.getUint32(0x20, true);
  if ((flags & FLAG.encrypted) !== 0) throw invalid("it is encrypted");
  if ((flags & FLAG.inline) !== 0) throw invalid("it keeps data in its inodes");
  if (size === 0) return { kind, size, extents: [] };
  if ((flags & FLAG.extents) === 0) throw invalid("its files have no extents");
  const found: { at: number; blocks: number; start: number }[] = [];
  collectExtents(volume, bytes.subarray(0x28, 0x64), found, DEEPEST);
  return { kind, size, extents: inFileOrder(found, size, block) };
}

function collectExtents(
  volume: Volume,
  bytes: Uint8Array,
  found: { at: number; blocks: number; start: number }[],
  depthLeft: number,
): void {
  const view = viewOf(bytes);
  const [count, depth] = [view.getUint16(2, true), view.getUint16(6, true)];
  if (view.getUint16(0, true) !== EXTENT_MAGIC || (count + 1) * 12 > bytes.length || depth > depthLeft)
    throw invalid("a file's extents are damaged");
  for (let at = 12; at <= count * 12; at += 12) {
    if (depth > 0) {
      const leaf = view.getUint32(at + 4, true) + view.getUint16(at + 8, true) * 2 ** 32;
      collectExtents(volume, whole(volume.read, leaf * volume.block, volume.block), found, depth - 1);
      continue;
    }
    const blocks = view.getUint16(at + 4, true);
    if (blocks === 0 || blocks > WRITTEN_LENGTH) throw invalid("a file has parts without data");
    if (found.length >= MAX_EXTENTS) throw invalid("a file is in too many pieces");
    found.push({
      ...{ at: view.getUint32(at, true), blocks },
      start: view.getUint32(at + 8, true) + view.getUint16(at + 6, true) * 2 ** 32,
    });
  }
}

function inFileOrder(
  found: readonly { readonly at: number; readonly blocks: number; readonly start: number }[],
  size: Bytes,
  block: Bytes,
): Extent[] {
  const extents: Extent[] = [];
  let done = 0;
  for (const { at, blocks, start } of found) {
    if (done * block >= size) break;
    if (at !== done) throw invalid("a file has holes");
    extents.push({ start: start * block, size: Math.min(blocks * block, size - done * block) });
    done += blocks;
  }
  if (done * block < size) throw invalid("a file has holes");
  return extents;
}

/** The index of a large folder looks like blocks without entries, so that going through all of them finds every name. */
function lookUp({ read, block, inodes }: Volume, { size, extents }: Inode, wanted: string): number | undefined {
  if (size > MAX_FOLDER) throw invalid("a folder is too large");
  for (const extent of extents) {
    const bytes = whole(read, extent.start, extent.size);
    const view = viewOf(bytes);
    for (let at = 0; at + 8 <= bytes.length;) {
      const length = view.getUint16(at + 4, true);
      const nameLength = bytes[at + 6]!;
      if (length < 8 || length % 4 !== 0 || (at % block) + length > block || nameLength + 8 > length)
        throw invalid("a folder is damaged");
      const inode = view.getUint32(at, true);
      if (inode !== 0 && inode <= inodes && latin1Text(bytes.subarray(at + 8, at + 8 + nameLength)) === wanted) return inode;
      at += length;
    }
  }
  return undefined;
}

function whole(read: ReadAt, offset: Bytes, length: Bytes): Uint8Array {
  if (!Number.isSafeInteger(offset)) throw invalid("it leads beyond every disk");
  const bytes = read(offset, length);
  if (bytes.length !== length) throw invalid("it ends too early");
  return bytes;
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const invalid = (why: string): AppError => new AppError("EXT4_INVALID", `this is not an ext4 volume that can be read: ${why}`);
