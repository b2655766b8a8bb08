/** What lies in the slots of a disk, a raw file, without mounting it. */
import { openImage, type ImageFile } from "../host/image-file.ts";
import { sha256 } from "../host/sha256.ts";
import { toolFailed } from "../host/tools.ts";
import { AppError } from "../core/error.ts";
import type { Bytes } from "../core/units.ts";
import { DISK_PARTITIONS, IMAGE_FILES, type DiskPartition, type Extent } from "../layout/disk.ts";
import { decodeGpt, type DecodedGpt, type Partition } from "../layout/gpt.ts";
import { newestRecord, RECORD_BLOCK_SIZE, RECORD_COPY_OFFSETS, type BootRecord } from "../layout/record.ts";
import { SLOTS, type SlotName, type SlotState } from "../layout/slots.ts";
import type { ImageReader } from "../release/image-reader.ts";
import { findManifest } from "../release/verify-image.ts";
import type { InspectContext } from "./open-image.ts";

/** An image on a disk; its blocks are not verified. */
export interface StoredImage {
  readonly name: string;
  readonly version: string;
  readonly kernel: string;
  /** SHA-256 of its manifest. */
  readonly digest: string;
}
export interface SlotReport {
  readonly state: SlotState | "unknown";
  /** To be booted next. */
  readonly active: boolean;
  /** Nothing where none can be read. */
  readonly image: StoredImage | undefined;
  /** Whether the image is the one that the boot record names; nothing when either is not known. */
  readonly asRecorded: boolean | undefined;
}
export interface DiskReport {
  readonly path: string;
  readonly size: Bytes;
  readonly guid: string;
  readonly slots: Readonly<Record<SlotName, SlotReport>>;
  readonly recovery: { readonly image: StoredImage | undefined };
  /** What could not be understood, a sentence each. */
  readonly notes: readonly string[];
}

const BLOCK: Bytes = 4096;

/**
 * @returns nothing when the file is no disk of petrify's
 * @throws AppError `TOOL_FAILED`; NodeJS.ErrnoException when it cannot be read
 */
export async function diskReport(path: string, context: InspectContext): Promise<DiskReport | undefined> {
  using file = openImage(path);
  const gpt = diskTable(file);
  if (!gpt) return undefined;
  const part = (name: DiskPartition): Partition => gpt.partitions.find((one) => one.name === name)!;
  const found = readRecord(file, part("record"));
  const record = typeof found === "string" ? undefined : found;
  const imageAt = async (where: DiskPartition, name: string): Promise<StoredImage | undefined> => {
    const extents = await extentsOf(path, part(where), name, context);
    return await storedImage(file, extents);
  };
  const slots: Partial<Record<SlotName, SlotReport>> = {};
  for (const name of SLOTS) {
    const known = record?.slots[name];
    const image = known?.state === "empty" ? undefined : await imageAt("state", IMAGE_FILES[name]);
    const asRecorded = image && known?.digest !== undefined ? image.digest === known.digest : undefined;
    slots[name] = { state: known?.state ?? "unknown", active: record?.active === name, image, asRecorded };
  }
  const recovery = { image: await imageAt("recovery", IMAGE_FILES[`recovery${record?.recovery ?? 1}`]) };
  const notes = [
    ...(typeof found === "string" ? [found] : []),
    ...(gpt.damage === undefined ? [] : [`a partition table is damaged: ${gpt.damage}`]),
  ];
  return { path, size: file.size, guid: gpt.diskGuid, slots: slots as Record<SlotName, SlotReport>, recovery, notes };
}

function diskTable({ read, size }: ImageFile): DecodedGpt | undefined {
  try {
    const gpt = decodeGpt(read, size, 512);
    return gpt.partitions.map(({ name }) => name).join() === DISK_PARTITIONS.join() ? gpt : undefined;
  } catch (error) {
    if (error instanceof AppError) return undefined;
    throw error;
  }
}

/** Or why there is none. */
function readRecord({ read }: ImageFile, { start }: Partition): BootRecord | string {
  const [one, two] = RECORD_COPY_OFFSETS.map((offset) => read(start + offset, RECORD_BLOCK_SIZE));
  const { newest } = newestRecord([one, two]);
  if (newest.is === "whole") return newest.record;
  return newest.is === "newer"
    ? `the boot record has format ${newest.format}, which is not known`
    : `the boot record: ${newest.why}`;
}

/** Where a file of an ext4 lies, from the start of the disk; nothing where there is no such file. The journal is not asked: such files never move. */
async function extentsOf(path: string, partition: Partition, name: string, { tools, signal }: InspectContext): Promise<Extent[]> {
  const argv = ["debugfs", "-c", "-R", `dump_extents -l ${name}`, `/tmp/disk?offset=${partition.start}`] as const;
  const { stdout } = await (
    await tools()
  )
    .run(argv, { binds: [{ source: path, target: "/tmp/disk" }], signal })
    .catch((cause: unknown) => {
      signal?.throwIfAborted();
      throw toolFailed("debugfs", `${path}: its ${partition.name} partition could not be read`, cause);
    });
  return parseExtents(stdout).map(({ start, size }) => ({ start: partition.start + start, size }));
}

/** `1/ 1   2/ 12  32768 -  65535  34304 -  67071  32768`: logical blocks, then physical ones. Source: debugfs(8), dump_extents. */
export function parseExtents(text: string): readonly Extent[] {
  const extents: Extent[] = [];
  let next = 0;
  for (const line of text.split("\n")) {
    const numbers = /^\s*\d+\/\s*\d+\s+\d+\/\s*\d+\s+(\d+)\s*-\s*\d+\s+(\d+)\s*-\s*\d+\s+(\d+)/.exec(line)?.slice(1).map(Number);
    if (!numbers) continue;
    const [logical, physical, length] = numbers as [number, number, number];
    if (logical !== next) return extents; // a hole: no file of an image has one
    next += length;
    extents.push({ start: physical * BLOCK, size: length * BLOCK });
  }
  return extents;
}

async function storedImage({ read, size: fileSize }: ImageFile, extents: readonly Extent[]): Promise<StoredImage | undefined> {
  const size = extents.reduce((sum, extent) => sum + extent.size, 0);
  const reader: ImageReader = {
    size,
    read: async (offset, length) => {
      const bytes = new Uint8Array(Math.max(0, Math.min(length, size - offset)));
      let start = 0;
      for (const extent of extents) {
        const from = Math.max(offset, start);
        const to = Math.min(offset + bytes.length, start + extent.size);
        const place = extent.start + from - start;
        if (from < to && place < fileSize) bytes.set(read(place, to - from), from - offset);
        start += extent.size;
      }
      return await Promise.resolve(bytes);
    },
  };
  try {
    const { manifest, digest } = await findManifest(reader, sha256);
    return { name: manifest.name, version: manifest.version, kernel: manifest.kernel, digest };
  } catch (error) {
    if (error instanceof AppError) return undefined;
    throw error;
  }
}
