/** @portable A system image in pieces that have a name, so that each is compared with the piece of the same name in another image. */
import { AppError } from "../../core/error.ts";
import type { Bytes } from "../../core/units.ts";
import { erofsTree } from "../../layout/erofs-tree.ts";
import { openErofs, type Erofs } from "../../layout/erofs.ts";
import { findInFat } from "../../layout/fat.ts";
import { decodeGpt, type Partition, type ReadAt } from "../../layout/gpt.ts";
import { BOOT_FILES, SYSTEM_IMAGE_SECTOR, systemImageParts } from "../../layout/system-image.ts";

/** An image, all of it readable at any time. */
export interface ImageBytes {
  readonly size: Bytes;
  readonly read: ReadAt;
}
export interface Range {
  readonly start: Bytes;
  readonly size: Bytes;
}
/** Where in an image it lies: the partition table, a file of the boot partition, that partition's own tables, and of the root a file or the rest. */
export const REGIONS = ["table", "boot", "boot tables", "files", "metadata"] as const;
export type Region = (typeof REGIONS)[number];

export interface Piece {
  readonly region: Region;
  /** The path of a file; else the region. */
  readonly name: string;
  /** In ascending order. */
  readonly ranges: readonly Range[];
}
export interface ImagePieces {
  /** Together all of the image but {@link omitted}; none overlap. */
  readonly pieces: readonly Piece[];
  /** The hash tree's partition. */
  readonly omitted: Range;
}

const BLOCK: Bytes = 4096;

/** @throws AppError `GPT_DAMAGED`, `SYSTEM_IMAGE_INVALID`, `FAT_INVALID`, `EROFS_INVALID` */
export function imagePieces({ size, read }: ImageBytes): ImagePieces {
  const { boot, root, verity } = systemImageParts(decodeGpt(read, size, SYSTEM_IMAGE_SECTOR));
  const bootFiles = filesOfBoot(read, boot);
  const rootFiles = filesOfRoot(read, root);
  const partitions = [boot, root, verity].toSorted((a, b) => a.start - b.start);
  const pieces: Piece[] = [
    { region: "table", name: "table", ranges: without({ start: 0, size }, partitions) },
    ...bootFiles,
    { region: "boot tables", name: "boot tables", ranges: without(boot, rangesOf(bootFiles)) },
    ...rootFiles,
    { region: "metadata", name: "metadata", ranges: without(root, rangesOf(rootFiles)) },
  ];
  return {
    pieces: pieces.filter(({ ranges }) => ranges.length > 0),
    omitted: { start: verity.start, size: verity.size },
  };
}

/** The bytes of ranges, end to end. */
export function bytesOf({ read }: ImageBytes, ranges: readonly Range[]): Uint8Array {
  const bytes = new Uint8Array(ranges.reduce((total, { size }) => total + size, 0));
  let at = 0;
  for (const { start, size } of ranges) {
    bytes.set(read(start, size), at);
    at += size;
  }
  return bytes;
}

/** What two versions of a file have in common in their paths: a kernel's modules lie in a folder of its version. */
export const pathWithoutKernel = (path: string): string => path.replace(/^((?:\/usr)?\/lib\/modules\/)[^/]+\//, "$1*/");

/** Paths of two versions of what has its version in its name: libc.so.6.1 and libc.so.6.2. */
export const pathWithoutNumbers = (path: string): string => path.replaceAll(/\d+(?:[.\-_+~]\d+)*/g, "#");

function filesOfBoot(read: ReadAt, boot: Partition): Piece[] {
  const claim = claims(boot);
  return Object.values(BOOT_FILES).flatMap((name): Piece[] => {
    try {
      const { extents } = findInFat(within(read, boot), `/${name}`);
      const ranges = claim(extents.map(({ start, size }) => ({ start: boot.start + start, size })));
      return [{ region: "boot", name, ranges }];
    } catch (error) {
      if (error instanceof AppError && error.code === "FAT_FILE_MISSING") return [];
      throw error;
    }
  });
}

/** None when the file system is compressed, or another one than EROFS: all is metadata then. Ends of files that lie beside their inodes are metadata, too. */
function filesOfRoot(read: ReadAt, root: Partition): Piece[] {
  let fs: Erofs;
  try {
    fs = openErofs(within(read, root));
  } catch (error) {
    if (error instanceof AppError && error.code.startsWith("EROFS_")) return [];
    throw error;
  }
  const claim = claims(root);
  const seen = new Set<number>();
  const files: Piece[] = [];
  for (const [path, { nid, kind }] of erofsTree(fs).nodes) {
    if (kind !== "file" || seen.has(nid)) continue;
    seen.add(nid);
    const ranges = (fs.extents(nid) ?? []).flatMap(({ start, size }): Range[] =>
      start === undefined || (root.start + start) % BLOCK !== 0
        ? []
        : [{ start: root.start + start, size: Math.ceil(size / BLOCK) * BLOCK }],
    );
    files.push({ region: "files", name: path, ranges: claim(ranges) });
  }
  return files.filter(({ ranges }) => ranges.length > 0);
}

/** Gives every byte to one piece only, the first that asks: extents may be shared. */
function claims(area: Range): (ranges: readonly Range[]) => Range[] {
  const taken = new Set<number>();
  return (ranges) =>
    merged(
      ranges.flatMap(({ start, size }) => {
        const blocks: Range[] = [];
        for (let at = start; at < start + size; at += BLOCK) {
          const end = Math.min(at + BLOCK, start + size, area.start + area.size);
          if (at < area.start || at >= end || taken.has(at)) continue;
          taken.add(at);
          blocks.push({ start: at, size: end - at });
        }
        return blocks;
      }),
    );
}

/** Runs that touch become one; the order stays. */
function merged(ranges: readonly Range[]): Range[] {
  const runs: { start: Bytes; size: Bytes }[] = [];
  for (const { start, size } of ranges.toSorted((a, b) => a.start - b.start)) {
    const last = runs.at(-1);
    if (last && last.start + last.size === start) last.size += size;
    else runs.push({ start, size });
  }
  return runs;
}

const rangesOf = (pieces: readonly Piece[]): Range[] => merged(pieces.flatMap(({ ranges }) => ranges));

function without({ start, size }: Range, taken: readonly Range[]): Range[] {
  const left: Range[] = [];
  let at = start;
  for (const range of taken) {
    if (range.start > at) left.push({ start: at, size: range.start - at });
    at = Math.max(at, range.start + range.size);
  }
  if (at < start + size) left.push({ start: at, size: start + size - at });
  return left;
}

const within =
  (read: ReadAt, { start, size }: Range): ReadAt =>
  (offset, length) =>
    read(start + offset, Math.max(0, Math.min(length, size - offset)));
