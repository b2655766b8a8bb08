/** @portable In which order a disk image is written to a disk. docs/concepts/flash.md */
import { AppError } from "../core/error.ts";
import { KiB, MiB, type Bytes } from "../core/units.ts";
import { GPT_RESERVED } from "./gpt.ts";
import type { Extent } from "./disk.ts";

/**
 * Each step is on the disk before the next begins. Until the last one nothing boots: neither what was there, nor what is half written.
 */
export interface FlashPlan {
  /** Zeroed first, one after the other: where firmware looks for a boot sector and for partition tables. */
  readonly blank: readonly Extent[];
  /** Written, and read back: everything that the tables lead to. */
  readonly body: Extent;
  /** Written after that: the entries of the tables, and the backup at the image's end. */
  readonly tables: readonly Extent[];
  /** Written last: boot sector and primary headers, for both sector sizes. */
  readonly last: Extent;
}

/** In this order. */
export type FlashPhase = "writing" | "reading back" | "finishing";

/** Boot sector, header for 512-byte sectors (at 512), header for 4096-byte sectors (at 4096). docs/formats/gpt.md */
const LAST: Bytes = 8192;
/** Both backup headers. */
const BACKUP: Bytes = 4096;

/** Where a disk says that it is being written: among the tables' bytes, so that they replace it. */
export const UNFINISHED_AT: Bytes = 512 * KiB;
/** What is there: a block of its own. */
export const UNFINISHED: Uint8Array = asBlock("petrify: this disk is half written, and nothing of it is of use\n");
/** Whether a block from {@link UNFINISHED_AT} is {@link UNFINISHED}. */
export const isUnfinished = (block: Uint8Array): boolean =>
  block.length === UNFINISHED.length && block.every((byte, at) => byte === UNFINISHED[at]);

/**
 * @param image size of the image
 * @param disk size of what it is written to; where it is larger, the backup tables stay at the image's end, where the primary ones say
 * @throws AppError `FLASH_IMAGE_INVALID` for an image without room for tables
 */
export function flashPlan(image: Bytes, disk: Bytes): FlashPlan {
  if (image < 2 * MiB || image > disk || image % 512 !== 0) {
    throw new AppError("FLASH_IMAGE_INVALID", `an image of ${image} bytes cannot be a disk of ${disk} bytes`, {
      hint: "Give what `petrify build --output disk` wrote.",
    });
  }
  const backup = Math.floor((image - BACKUP) / BACKUP) * BACKUP;
  const tail = Math.floor((disk - GPT_RESERVED) / 4096) * 4096;
  return {
    blank: [
      { start: 0, size: GPT_RESERVED },
      { start: tail, size: disk - tail },
    ],
    body: { start: GPT_RESERVED, size: backup - GPT_RESERVED },
    tables: [
      { start: LAST, size: GPT_RESERVED - LAST },
      { start: backup, size: image - backup },
    ],
    last: { start: 0, size: LAST },
  };
}

function asBlock(text: string): Uint8Array {
  const block = new Uint8Array(4096);
  for (let at = 0; at < text.length; at++) block[at] = text.charCodeAt(at);
  return block;
}
