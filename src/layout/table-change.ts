/** @portable What a machine makes of the partition table it was given: its own GUIDs, and the whole of its disk. docs/formats/gpt.md */
import { AppError } from "../core/error.ts";
import { MiB, type Bytes } from "../core/units.ts";
import { decodeGpt, GPT_RESERVED, primaryEntriesAt, replaceGpt, type DecodedGpt, type Gpt, type ReadAt } from "./gpt.ts";
import type { Guid } from "./guid.ts";
import type { Patch } from "./patch.ts";

/** Attribute of a partition that may grow. Source: Discoverable Partitions Specification, "Partition Flags" */
const GROW = 59;
const LARGEST_SECTOR: Bytes = 4096;

export interface TableChange {
  readonly gpt: Gpt;
  readonly grown: boolean;
  /** Each is to be on the disk before the next begins; cut off anywhere, the same question gives the rest of the work. */
  readonly steps: readonly (readonly Patch[])[];
}

/**
 * The last partition, where it may, grows to the end of the disk (from 1 MiB on); the disk and every partition get other GUIDs where asked for.
 *
 * @param size of the disk, whatever its table says
 * @param newGuid called for the disk and for each partition
 * @returns nothing when there is nothing to do
 * @throws AppError `GPT_DAMAGED` where neither table can be read
 */
export function tableChange(read: ReadAt, size: Bytes, newGuid?: () => Guid): TableChange | undefined {
  const tables = { 512: readTable(read, size, 512), 4096: readTable(read, size, 4096) };
  const base = tables[512] ?? tables[4096];
  if (!base) throw new AppError("GPT_DAMAGED", "the disk has no whole partition table for either sector size");
  const whole = Math.floor(size / LARGEST_SECTOR) * LARGEST_SECTOR;
  const last = base.partitions.toSorted((a, b) => a.start - b.start).at(-1);
  const isGrown = (table: DecodedGpt | undefined): boolean => table !== undefined && table.size > whole - MiB;
  const grows = last?.attributes?.includes(GROW) === true && !(isGrown(tables[512]) && isGrown(tables[4096]));
  if (!grows && !newGuid) return undefined;

  const end = Math.floor((whole - GPT_RESERVED) / MiB) * MiB;
  const gpt: Gpt = {
    diskGuid: newGuid?.() ?? base.diskGuid,
    size: grows ? whole : base.size,
    partitions: base.partitions.map((p) => ({
      ...p,
      ...(newGuid ? { guid: newGuid() } : {}),
      ...(grows && p === last ? { size: end - p.start } : {}),
    })),
  };
  const used: { 512?: Bytes; 4096?: Bytes } = {};
  for (const sectorSize of [512, 4096] as const) {
    const at = primaryEntriesAt(read, size, sectorSize);
    if (at !== undefined) used[sectorSize] = at;
  }
  return { gpt, grown: grows, steps: replaceGpt(gpt, used) };
}

function readTable(read: ReadAt, size: Bytes, sectorSize: 512 | 4096): DecodedGpt | undefined {
  try {
    return decodeGpt(read, size, sectorSize);
  } catch {
    return undefined;
  }
}
