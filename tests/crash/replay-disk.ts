/** A disk in memory that goes from one state after a power cut to the next: blocks over a base, and sums that tell states apart. */
import type { Bytes } from "../../src/core/units.ts";
import type { ImageName } from "../../src/layout/boot-rules.ts";
import { DISK_PARTITIONS, type DiskPartition, type Extent } from "../../src/layout/disk.ts";
import { BLOCK, blockHasher, blockMap, type BlockMap } from "./block-map.ts";
import type { MatrixImage, MatrixImageName } from "./matrix-disk.ts";

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

export interface ReplayDisk extends Pick<BlockMap, "read" | "apply" | "blocks"> {
  readonly layout: DiskLayout;
  /** Equal for equal contents. */
  readonly sum: (region: Region) => bigint;
  readonly held: (image: ImageName) => HeldImage;
  /** Whole blocks from the start of an image file that are that image's, in bytes. */
  readonly begins: (image: ImageName, as: MatrixImageName) => Bytes;
}

/** @param base what the disk holds at first */
export function replayDisk(
  layout: DiskLayout,
  images: readonly MatrixImage[],
  base: { readonly read: (offset: Bytes, length: Bytes) => Uint8Array; readonly size: Bytes },
): ReplayDisk {
  const regions = regionsOf(layout);
  const regionAt = (index: number): Region => {
    const offset = index * BLOCK;
    return regions.find(({ start, size }) => offset >= start && offset < start + size)?.region ?? "table";
  };
  const sums = new Map<Region, bigint>();
  const hashOf = blockHasher();
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
  const map = blockMap(base, (index, before, after) => {
    const region = regionAt(index);
    sums.set(region, (sums.get(region) ?? 0n) ^ hashOf(index, before) ^ hashOf(index, after));
    tally(region, index, before, -1);
    tally(region, index, after, 1);
  });
  for (const [name, { start, size }] of Object.entries(layout.images)) {
    for (let index = start / BLOCK; index < (start + size) / BLOCK; index++) tally(name as ImageName, index, map.at(index), 1);
  }
  for (const [index, block] of map.entries()) {
    const region = regionAt(index);
    sums.set(region, (sums.get(region) ?? 0n) ^ hashOf(index, block));
  }

  return {
    layout,
    ...{ read: map.read, apply: map.apply, blocks: map.blocks },
    sum: (region) => sums.get(region) ?? 0n,
    held: (name) => {
      const counts = tallies.get(name)!;
      const whole = counts.find(({ all }) => all === 0)?.image.name;
      const boots = counts.find(({ boot }) => boot === 0)?.image.name;
      return { ...(whole ? { whole } : {}), ...(boots ? { boots } : {}) };
    },
    begins: (name, as) => {
      const { start } = layout.images[name];
      const { bytes } = images.find((image) => image.name === as)!;
      let at = 0;
      while (at < bytes.length && bytes.compare(map.read(start + at, BLOCK), 0, BLOCK, at, at + BLOCK) === 0) at += BLOCK;
      return at;
    },
  };
}

/** GRUB looks at the table and at the boot partition. */
const bootEnd = ({ parts: { boot } }: MatrixImage): Bytes => boot.start + boot.size;

/** Smaller ones first: an image file lies inside its partition. */
function regionsOf({ partitions, images }: DiskLayout): readonly (Extent & { readonly region: Region })[] {
  return [
    ...(Object.keys(images) as ImageName[]).map((region) => ({ region, ...images[region] })),
    ...DISK_PARTITIONS.map((region) => ({ region, ...partitions[region] })),
  ];
}
