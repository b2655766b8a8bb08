/** @portable The medium that brings a system into memory: one ISO for CDs and USB sticks. docs/formats/medium.md */
import { AppError } from "../core/error.ts";
import { KiB, type Bytes } from "../core/units.ts";
import type { ReadAt } from "./gpt.ts";
import { findInIso } from "./iso9660.ts";
import { MEDIUM_ID_AT, MEDIUM_ID_SIZE, mediumIdOf } from "./medium-id.ts";

/** Files of its root folder. */
export const MEDIUM_FILES = {
  kernel: "vmlinuz",
  initrd: "initrd",
  /** The compressed archive with the image. */
  archive: "system",
  /** A machine config; also of the FAT partition, whose own goes first. */
  config: "machine.yaml",
  description: "medium.json",
  /** GRUB for BIOS as a CD boots it. */
  loader: "boot.img",
} as const;

/** The FAT partition of a medium: its number, and its label. */
export const MEDIUM_FAT = { number: 2, label: "PETRIFY" } as const;

/** What a medium says of itself. */
export interface MediumDescription {
  readonly format: 1;
  /** 32 hexadecimal digits. */
  readonly id: string;
  /** Of the image. */
  readonly name: string;
  readonly version: string;
  /** That a machine needs to run it. */
  readonly memory: Bytes;
  /** The smallest disk that the image can be installed on. */
  readonly smallestDisk: Bytes;
}

const MAX_DESCRIPTION: Bytes = 64 * KiB;

export const encodeMediumDescription = (medium: MediumDescription): string => `${JSON.stringify(medium, undefined, 2)}\n`;

/** The words of a boot from a medium. @param cmdline of a boot from memory */
export const mediumCommandLine = (cmdline: string, id: string): string => `${cmdline} petrify.medium=${id} petrify.installer`;

/** Whether a file or a disk starts as a medium does. */
export const isMedium = (read: ReadAt): boolean => mediumIdOf(read(MEDIUM_ID_AT, MEDIUM_ID_SIZE)) !== undefined;

/** Where a file of a medium lies. @throws AppError `MEDIUM_INVALID` */
export function findOnMedium(read: ReadAt, file: keyof typeof MEDIUM_FILES): { readonly start: Bytes; readonly size: Bytes } {
  try {
    return findInIso(read, MEDIUM_FILES[file]);
  } catch (cause) {
    if (!(cause instanceof AppError)) throw cause;
    throw invalid(cause.message, cause);
  }
}

/** @throws AppError `MEDIUM_INVALID` for what is no whole medium, or one of a newer petrify */
export function readMediumDescription(read: ReadAt): MediumDescription {
  const { start, size } = findOnMedium(read, "description");
  if (size > MAX_DESCRIPTION) throw invalid(`${MEDIUM_FILES.description} is too large`);
  const text = new TextDecoder().decode(read(start, size));
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalid(`${MEDIUM_FILES.description} is not JSON`, cause);
  }
  const { format, id, name, version, memory, smallestDisk } = (value ?? {}) as Partial<Record<keyof MediumDescription, unknown>>;
  if (format !== 1) {
    throw new AppError("MEDIUM_INVALID", `the medium has format ${JSON.stringify(format)}, and this petrify knows 1`, {
      hint: "Use the petrify that made it, or a newer one.",
    });
  }
  const isSize = (bytes: unknown): bytes is Bytes => Number.isSafeInteger(bytes) && (bytes as number) > 0;
  if (
    typeof id !== "string" ||
    typeof name !== "string" ||
    typeof version !== "string" ||
    !isSize(memory) ||
    !isSize(smallestDisk)
  )
    throw invalid(`${MEDIUM_FILES.description} lacks something`);
  return { format, id, name, version, memory, smallestDisk };
}

const invalid = (why: string, cause?: unknown): AppError =>
  new AppError("MEDIUM_INVALID", `this is not a whole medium of petrify's: ${why}`, { hint: "Copy or build it again.", cause });
