/** @portable In which order a disk image is written to a disk. docs/concepts/flash.md */
import { AppError } from "../core/error.ts";
import { KiB, MiB, type Bytes } from "../core/units.ts";
import { GPT_RESERVED } from "./gpt.ts";
import type { Extent } from "./disk.ts";

/**
 * Each step is on the disk before the next begins. The boot sector takes turns with {@link UNFINISHED}: a disk writes a sector whole or not at all,
 * so one write ends what was there, and one write begins what is new. In between nothing boots.
 */
export interface FlashPlan {
  /** Zeroed, one after the other: what firmware reads without a boot sector's leave. Tables go before what they lead to. */
  readonly blank: readonly Extent[];
  /** Written, and read back: everything that the tables lead to. */
  readonly body: Extent;
  /** Written after that: the entries of the tables, the backup at the image's end, the primary headers. */
  readonly tables: readonly Extent[];
  /** The boot sector: holds the note from the first write on, and the image's from the last. */
  readonly last: Extent;
}

/** In this order. */
export type FlashPhase = "writing" | "reading back" | "finishing";

/** Header for 512-byte sectors (at 512), header for 4096-byte sectors (at 4096); no partition begins before. docs/formats/gpt.md */
const HEADERS_END: Bytes = 8192;
/** Both backup headers. */
const BACKUP: Bytes = 4096;
/** What makes firmware take a disk for a CD, too. Source: ECMA-119, section 8: from 32 KiB on; El Torito 1.0, section 2 */
const CD_DESCRIPTORS_END: Bytes = 64 * KiB;

/** What the boot sector says while a disk is being written: the start of it, the rest is zero. */
export const UNFINISHED: Uint8Array = asSector("petrify: this disk is half written, and nothing of it is of use\n");
/** Whether the first 512 bytes of a disk are {@link UNFINISHED}. */
export const isUnfinished = (sector: Uint8Array): boolean =>
  sector.length === UNFINISHED.length && sector.every((byte, at) => byte === UNFINISHED[at]);

/**
 * @param image size of the image
 * @param disk size of what it is written to; where it is larger, the backup tables stay at the image's end, where the primary ones say
 * @param sectorSize of what it is written to: it writes so much whole or not at all
 * @throws AppError `FLASH_IMAGE_INVALID` for an image without room for tables
 */
export function flashPlan(image: Bytes, disk: Bytes, sectorSize: Bytes): FlashPlan {
  if (image < 2 * MiB || image > disk || image % 512 !== 0) {
    throw new AppError("FLASH_IMAGE_INVALID", `an image of ${image} bytes cannot be a disk of ${disk} bytes`, {
      hint: "Give what `petrify build --output disk` wrote.",
    });
  }
  const backup = Math.floor((image - BACKUP) / BACKUP) * BACKUP;
  const tail = Math.floor((disk - GPT_RESERVED) / 4096) * 4096;
  const oldBackup = Math.floor((disk - BACKUP) / BACKUP) * BACKUP;
  const from = (start: Bytes, end: Bytes): Extent => ({ start, size: end - start });
  return {
    blank: [
      from(sectorSize, HEADERS_END),
      from(oldBackup, disk),
      from(HEADERS_END, CD_DESCRIPTORS_END),
      from(CD_DESCRIPTORS_END, GPT_RESERVED),
      from(tail, oldBackup),
    ],
    body: from(GPT_RESERVED, backup),
    tables: [from(HEADERS_END, GPT_RESERVED), from(backup, image), from(sectorSize, HEADERS_END)],
    last: from(0, sectorSize),
  };
}

function asSector(text: string): Uint8Array {
  const sector = new Uint8Array(512);
  for (let at = 0; at < text.length; at++) sector[at] = text.charCodeAt(at);
  return sector;
}
