import { join } from "node:path";
import { AppError } from "../core/error.ts";
import { formatSize, KiB, type Bytes } from "../core/units.ts";
import { fileSize } from "../host/files.ts";
import { placeWithChecksum } from "../host/checksum.ts";
import { partialFile, type PartialFile } from "../host/partial-file.ts";
import { writingTo } from "../host/disk-full.ts";
import { copySparse, writePatches } from "../host/sparse.ts";
import type { Tools } from "../host/tools.ts";
import {
  DISK_LABELS,
  diskGpt,
  IMAGE_FILES,
  planDisk,
  TRIES_FILE,
  type DiskGuids,
  type DiskPlan,
  type Extent,
} from "../layout/disk.ts";
import { encodeGpt } from "../layout/gpt.ts";
import type { Ext4Volume } from "../layout/mke2fs.ts";
import type { Patch, Piece } from "../layout/patch.ts";
import { convertDisk, type DiskFormat } from "./disk-format.ts";
import { makeExt4, makeImageStore } from "./ext4.ts";
import { makeFat, type FatFile, type FatVolume } from "./fat-volume.ts";

/**
 * Keeps the tries away from the loader: firmware for UEFI reads files of a FAT by 64 KiB (EDK2's FatDxe), and would not start the loader
 * when the sector of the tries cannot be read.
 */
const TRIES_GAP: FatFile = { path: "/petrify/gap", data: new Uint8Array(128 * KiB) };

export interface DiskInput {
  /** Paths of system images; slot b stays empty without one. */
  readonly images: { readonly a: string; readonly b?: string | undefined; readonly recovery: string };
  /** Defaults: see {@link planDisk}. */
  readonly slotSize?: Bytes | undefined;
  readonly diskSize?: Bytes | undefined;
  /** Fresh randomness for each disk; fixed ones make a disk reproducible. */
  readonly guids: DiskGuids;
  /** The slots half of the boot record; offsets count from the start of the record partition. */
  readonly record: readonly Patch[];
  /** The other half: what {@link TRIES_FILE} holds. */
  readonly tries: Uint8Array;
  readonly loader: {
    /** Offsets count from the start of the disk; all within its first 440 bytes or the bios partition. */
    readonly biosPatches: readonly Patch[];
    readonly espFiles: readonly FatFile[];
  };
  /** Seconds since 1970, of every file and file system. */
  readonly time: number;
}

/** One form in which a disk is written. */
export interface DiskOutput {
  readonly format: DiskFormat;
  readonly path: string;
  /** Whether a checksum comes beside it. */
  readonly checksum?: boolean;
}

/**
 * Makes a disk that boots its images, on BIOS and UEFI, with 512- and 4096-byte sectors, without any block device.
 *
 * @param outputs the same disk in each form; at least one
 * @param work an existing folder; the caller removes it
 * @throws AppError `IMAGE_TOO_LARGE` or `DISK_TOO_SMALL` before anything is written, `DISK_FULL` when the host's disk is;
 *   nothing is left of the outputs after a failure or an abort
 */
export async function buildDisk(
  tools: Tools,
  input: DiskInput,
  outputs: readonly DiskOutput[],
  work: string,
  signal?: AbortSignal,
): Promise<DiskPlan> {
  const { images, slotSize, diskSize } = input;
  const { a, b, recovery } = images;
  const imageSize = Math.max(...(await Promise.all([a, recovery, ...(b ? [b] : [])].map(fileSize))));
  const plan = planDisk({ imageSize, slotSize, diskSize });
  const asRaw = outputs.find(({ format }) => format === "raw");
  await writingTo(outputs.map(({ path }) => path).join(", "), async () => {
    await using raw = await partialFile(asRaw?.path ?? `${outputs[0]!.path}.raw`, plan.size);
    await fillDisk(tools, input, plan, raw.path, work, signal);
    for (const output of outputs.filter(({ format }) => format !== "raw")) {
      await using converted = await partialFile(output.path, 0);
      await convertDisk(tools, raw.path, output.format, converted.path, signal);
      await finish(converted, output, signal);
    }
    if (asRaw) await finish(raw, asRaw, signal);
  });
  return plan;
}

async function finish(made: PartialFile, { path, checksum }: DiskOutput, signal: AbortSignal | undefined): Promise<void> {
  if (checksum) await placeWithChecksum(made.path, path, async () => await made.finish(), signal);
  else await made.finish();
}

async function fillDisk(
  tools: Tools,
  { images, guids, record, tries, loader, time }: DiskInput,
  plan: DiskPlan,
  disk: string,
  work: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { bios, record: recordPart } = plan.partitions;
  const volume = (name: keyof typeof DISK_LABELS): Ext4Volume => {
    const { start, size } = plan.partitions[name];
    return { file: disk, offset: start, size, label: DISK_LABELS[name], partition: guids[name], time };
  };
  refuseStray(loader.biosPatches, [{ start: 0, size: 440 }, bios]);
  const recordPatches = record.map(({ offset, data }) => ({ offset: recordPart.start + offset, data }));
  refuseStray(recordPatches, [recordPart]);
  await writePatches(disk, [...encodeGpt(diskGpt(plan, guids), "both"), ...loader.biosPatches, ...recordPatches]);

  const efi = { file: disk, place: plan.partitions.efi, volumeId: guids.efi.slice(0, 8), files: loader.espFiles, tries, time };
  await makeFat(tools, efiVolume(efi), join(work, "efi"), signal);
  await makeExt4(tools, volume("oem"), signal);
  await makeExt4(tools, volume("persistent"), signal);

  const store = async (
    name: "recovery" | "state",
    capacity: Bytes,
    contents: readonly [file: string, image: string | undefined][],
  ) => {
    const names = contents.map(([file]) => file.slice(1));
    const pieces = await makeImageStore(tools, volume(name), { names, capacity }, work, signal);
    for (const [i, [, image]] of contents.entries()) {
      if (image) await copySparse(image, disk, clip(pieces[i]!, await fileSize(image)), signal);
    }
  };
  await store("recovery", plan.recoverySize, [
    [IMAGE_FILES.recovery1, images.recovery],
    [IMAGE_FILES.recovery2, undefined],
  ]);
  await store("state", plan.slotSize, [
    [IMAGE_FILES.a, images.a],
    [IMAGE_FILES.b, images.b],
  ]);
  signal?.throwIfAborted();
}

/** The efi partition of a disk. @param place where it is in the file */
export const efiVolume = ({
  place,
  files,
  tries,
  ...volume
}: Pick<FatVolume, "file" | "volumeId" | "files" | "time"> & {
  readonly place: Extent;
  readonly tries: Uint8Array;
}): FatVolume => ({
  ...volume,
  ...{ offset: place.start, size: place.size, label: DISK_LABELS.efi },
  // 4096-byte sectors are read on any disk, and make the file with the tries a block of its own.
  sectorSize: 4096,
  files: [...files, TRIES_GAP, { path: TRIES_FILE, data: tries }],
});

/** The pieces of a file's first `size` bytes. */
function clip(pieces: readonly Piece[], size: Bytes): Piece[] {
  return pieces
    .map((piece) => ({ ...piece, length: Math.min(piece.length, size - piece.from) }))
    .filter(({ length }) => length > 0);
}

/** A loader or a record that does not fit its place would destroy what lies beside it. */
function refuseStray(patches: readonly Patch[], places: readonly Extent[]): void {
  for (const { offset, data } of patches) {
    if (places.some(({ start, size }) => offset >= start && offset + data.length <= start + size)) continue;
    throw new AppError("PATCH_OUTSIDE", `${formatSize(data.length)} at byte ${offset} of the disk do not fit their partition`);
  }
}
