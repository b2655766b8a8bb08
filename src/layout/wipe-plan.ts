/** @portable Which places of a disk are overwritten when it is wiped. docs/concepts/reset.md */
import { MiB, type Bytes } from "../core/units.ts";
import type { Extent } from "./disk.ts";

/** Boot sector, tables and superblocks, of disks and of partitions, lie within this of their start or of their end. */
const EDGE: Bytes = 4 * MiB;

/**
 * Both ends of the disk, then both ends of every partition: all that says what is where. In order, without overlaps, within the disk.
 *
 * @param partitions as the kernel knows them, in any order; what lies outside the disk is left out
 */
export function quickWipe(size: Bytes, partitions: readonly Extent[]): readonly Extent[] {
  const edges = [{ start: 0, size }, ...partitions].flatMap(({ start, size: length }) => [
    { start, end: Math.min(start + EDGE, start + length) },
    { start: Math.max(start, start + length - EDGE), end: start + length },
  ]);
  const inside = edges
    .map(({ start, end }) => ({ start: Math.max(0, start), end: Math.min(size, end) }))
    .filter(({ start, end }) => start < end)
    .toSorted((one, other) => one.start - other.start);
  const merged: { start: Bytes; end: Bytes }[] = [];
  for (const edge of inside) {
    const last = merged.at(-1);
    if (last && edge.start <= last.end) last.end = Math.max(last.end, edge.end);
    else merged.push({ ...edge });
  }
  return merged.map(({ start, end }) => ({ start, size: end - start }));
}

/** What belongs to no partition, the disk's ends among it: boot sector, tables, gaps. In order. @param partitions as of {@link quickWipe} */
export function gapsOf(size: Bytes, partitions: readonly Extent[]): readonly Extent[] {
  const gaps: Extent[] = [];
  let end = 0;
  for (const { start, size: length } of partitions.toSorted((one, other) => one.start - other.start)) {
    if (Math.min(start, size) > end) gaps.push({ start: end, size: Math.min(start, size) - end });
    end = Math.max(end, start + length);
  }
  if (size > end) gaps.push({ start: end, size: size - end });
  return gaps;
}
