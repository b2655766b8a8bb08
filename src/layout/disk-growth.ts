/** @portable A disk that is larger than its table says: the last partition takes the rest. docs/formats/gpt.md */
import { AppError } from "../core/error.ts";
import { MiB, type Bytes } from "../core/units.ts";
import { decodeGpt, GPT_RESERVED, primaryEntriesAt, replaceGpt, type DecodedGpt, type Gpt, type ReadAt } from "./gpt.ts";
import type { Patch } from "./patch.ts";

/** Attribute of a partition that may grow. Source: Discoverable Partitions Specification, "Partition Flags" */
const GROW = 59;
const LARGEST_SECTOR: Bytes = 4096;

export interface DiskGrowth {
  readonly gpt: Gpt;
  /** Each is to be on the disk before the next begins; cut off anywhere, the same question gives the rest of the work. */
  readonly steps: readonly (readonly Patch[])[];
}

/**
 * How a disk's last partition, where it may, grows to the end of the disk; nothing when there is less than 1 MiB to win.
 *
 * @param size of the disk, whatever its table says
 * @throws AppError `GPT_DAMAGED` where neither table can be read
 */
export function diskGrowth(read: ReadAt, size: Bytes): DiskGrowth | undefined {
  const tables = { 512: readTable(read, size, 512), 4096: readTable(read, size, 4096) };
  const base = tables[512] ?? tables[4096];
  if (!base) throw new AppError("GPT_DAMAGED", "the disk has no whole partition table for either sector size");
  const whole = Math.floor(size / LARGEST_SECTOR) * LARGEST_SECTOR;
  const last = base.partitions.toSorted((a, b) => a.start - b.start).at(-1);
  if (!last?.attributes?.includes(GROW)) return undefined;
  const end = Math.floor((whole - GPT_RESERVED) / MiB) * MiB;
  const gpt: Gpt = {
    diskGuid: base.diskGuid,
    size: whole,
    partitions: base.partitions.map((p) => (p === last ? { ...p, size: end - p.start } : p)),
  };
  const isGrown = (table: DecodedGpt | undefined): boolean => table !== undefined && table.size > whole - MiB;
  if (isGrown(tables[512]) && isGrown(tables[4096])) return undefined;
  const used: { 512?: Bytes; 4096?: Bytes } = {};
  for (const sectorSize of [512, 4096] as const) {
    const at = primaryEntriesAt(read, size, sectorSize);
    if (at !== undefined) used[sectorSize] = at;
  }
  return { gpt, steps: replaceGpt(gpt, used) };
}

function readTable(read: ReadAt, size: Bytes, sectorSize: 512 | 4096): DecodedGpt | undefined {
  try {
    return decodeGpt(read, size, sectorSize);
  } catch {
    return undefined;
  }
}
