/** A disk in memory that goes from one state after a power cut to the next: blocks over a base, and sums that tell states apart. */
import { createHash } from "node:crypto";
import type { Bytes } from "../../src/core/units.ts";
import type { ImageName } from "../../src/layout/boot-rules.ts";
import { DISK_PARTITIONS, type DiskPartition, type Extent } from "../../src/layout/disk.ts";
import type { MatrixImage, MatrixImageName } from "./matrix-disk.ts";
import type { Piece } from "./power-cut.ts";

const BLOCK: Bytes = 4096;

/** Parts of a disk that are judged apart. `state` and `recovery` are the file systems without the data of their image files. */
export type Region = DiskPartition | ImageName | "table";

export interface DiskLayout {
  readonly size: Bytes;
  readonly partitions: Readonly<Record<DiskPartition, Extent>>;
  /** Where the data of the image files are, in bytes of the disk. */
  readonly images: Readonly<Record<ImageName, Extent>>;
}

/** What an image file holds. */
export interface HeldImage {
  /** Every byte of it is this image's. */
  readonly whole?: MatrixImageName;
  /** The part that the loader checks is this image's. */
  readonly boots?: MatrixImageName;
}

export interface ReplayDisk {
  readonly layout: DiskLayout;
  readonly read: (offset: Bytes, length: Bytes) => Uint8Array;
  /** @returns what takes it back, if nothing older is taken back before */
  readonly apply: (pieces: readonly Piece[]) => () => void;
  /** Equal for equal contents. */
  readonly sum: (region: Region) => bigint;
  readonly held: (image: ImageName) => HeldImage;
  /** Blocks of a part that are not zero: offset in the disk, content. */
  readonly blocks: (extent: Extent, leaveOut?: readonly Extent[]) => readonly Piece[];
}

/** @param base reads what the disk holds at first, `dataOf` its parts that are not holes */
export function replayDisk(
  layout: DiskLayout,
  images: readonly MatrixImage[],
  base: { readonly read: (offset: Bytes, length: Bytes) => Uint8Array; readonly size: Bytes },
): ReplayDisk {
  const found = new Map<number, Uint8Array>();
  for (let at = 0; at < base.size; at += CHUNK) {
    const chunk = base.read(at, CHUNK);
    for (let inside = 0; inside < chunk.length; inside += BLOCK) {
      const block = chunk.subarray(inside, inside + BLOCK);
      if (Buffer.compare(block, ZERO.subarray(0, block.length)) !== 0) found.set((at + inside) / BLOCK, Uint8Array.from(block)); // a Buffer's slice is no copy
    }
  }
  const regions = regionsOf(layout);
  const regionAt = (index: number): Region => {
    const offset = index * BLOCK;
    return regions.find(({ start, size }) => offset >= start && offset < start + size)?.region ?? "table";
  };
  const sums = new Map<Region, bigint>();
  const hashes = new WeakMap<Uint8Array, bigint>();
  const hashOf = (index: number, block: Uint8Array): bigint => {
    if (block === ZERO) return 0n;
    let hash = hashes.get(block);
    if (hash === undefined) {
      const isZero = Buffer.compare(block, ZERO) === 0;
      hash = isZero ? 0n : createHash("sha256").update(String(index)).update(block).digest().readBigUInt64LE();
      hashes.set(block, hash);
    }
    return hash;
  };
  const tallies = new Map(
    (Object.keys(layout.images) as ImageName[]).map((name) => [name, images.map((image) => ({ image, all: 0, boot: 0 }))]),
  );
  const tally = (region: Region, index: number, block: Uint8Array, by: 1 | -1): void => {
    const counts = tallies.get(region as ImageName);
    if (!counts) return;
    const at = index * BLOCK - layout.images[region as ImageName].start;
    for (const count of counts) {
      if (at >= count.image.bytes.length) continue;
      if (count.image.bytes.compare(block, 0, BLOCK, at, at + BLOCK) === 0) continue;
      count.all += by;
      if (at < bootEnd(count.image)) count.boot += by;
    }
  };
  const replace = (index: number, block: Uint8Array): void => {
    const region = regionAt(index);
    const before = found.get(index) ?? ZERO;
    sums.set(region, (sums.get(region) ?? 0n) ^ hashOf(index, before) ^ hashOf(index, block));
    tally(region, index, before, -1);
    tally(region, index, block, 1);
    found.set(index, block);
  };
  for (const [name, { start, size }] of Object.entries(layout.images)) {
    for (let index = start / BLOCK; index < (start + size) / BLOCK; index++) {
      tally(name as ImageName, index, found.get(index) ?? ZERO, 1);
    }
  }
  for (const [index, block] of found) {
    const region = regionAt(index);
    sums.set(region, (sums.get(region) ?? 0n) ^ hashOf(index, block));
  }

  return {
    layout,
    read: (offset, length) => {
      const bytes = new Uint8Array(length);
      for (let at = 0; at < length;) {
        const from = (offset + at) % BLOCK;
        const part = (found.get(Math.floor((offset + at) / BLOCK)) ?? ZERO).subarray(from, from + length - at);
        bytes.set(part, at);
        at += part.length;
      }
      return bytes;
    },
    apply: (pieces) => {
      const before = new Map<number, Uint8Array>();
      for (const { offset, data } of pieces) {
        for (let at = 0; at < data.length;) {
          const index = Math.floor((offset + at) / BLOCK);
          const from = (offset + at) % BLOCK;
          const length = Math.min(BLOCK - from, data.length - at);
          const old = found.get(index) ?? ZERO;
          if (!before.has(index)) before.set(index, old);
          const block = old.slice();
          block.set(data.subarray(at, at + length), from);
          replace(index, block);
          at += length;
        }
      }
      return () => {
        for (const [index, block] of before) replace(index, block);
      };
    },
    sum: (region) => sums.get(region) ?? 0n,
    held: (name) => {
      const counts = tallies.get(name)!;
      const whole = counts.find(({ all }) => all === 0)?.image.name;
      const boots = counts.find(({ boot }) => boot === 0)?.image.name;
      return { ...(whole ? { whole } : {}), ...(boots ? { boots } : {}) };
    },
    blocks: ({ start, size }, leaveOut = []) => {
      const inside: Piece[] = [];
      for (const [index, data] of found) {
        const offset = index * BLOCK;
        if (offset < start || offset >= start + size || data === ZERO) continue;
        if (leaveOut.some((one) => offset >= one.start && offset < one.start + one.size)) continue;
        inside.push({ offset, data });
      }
      return inside;
    },
  };
}

const CHUNK: Bytes = 1024 * 1024;
const ZERO = new Uint8Array(BLOCK);

/** GRUB looks at the table and at the boot partition. */
const bootEnd = ({ parts: { boot } }: MatrixImage): Bytes => boot.start + boot.size;

/** Smaller ones first: an image file lies inside its partition. */
function regionsOf({ partitions, images }: DiskLayout): readonly (Extent & { readonly region: Region })[] {
  return [
    ...(Object.keys(images) as ImageName[]).map((region) => ({ region, ...images[region] })),
    ...DISK_PARTITIONS.map((region) => ({ region, ...partitions[region] })),
  ];
}
