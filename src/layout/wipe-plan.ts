/** @portable What of a disk is overwritten when it is wiped quickly. docs/concepts/reset.md */
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
