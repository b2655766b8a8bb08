import { MiB } from "../../../src/core/units.ts";
import { openImage } from "../../../src/host/image-file.ts";
import { decodeGpt } from "../../../src/layout/gpt.ts";
import type { Patch } from "../../../src/layout/patch.ts";

/** Garbage over every superblock of a partition's ext4: nothing for a check to go by. */
export function damage(disk: string, name: string): Patch[] {
  using image = openImage(disk);
  const { start, size } = decodeGpt(image.read, image.size, 512).partitions.find((partition) => partition.name === name)!;
  const data = new Uint8Array(64 * 1024).fill(0x55);
  const places = Array.from({ length: Math.ceil(size / MiB) }, (_, index) => start + index * MiB);
  // mke2fs puts copies at the starts of groups: of 8 MiB with blocks of 1 KiB (one block in), of 128 MiB with blocks of 4 KiB.
  return places.filter((_, index) => index % 8 === 0).map((offset) => ({ offset, data }));
}
