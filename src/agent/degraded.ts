/** Data partitions that a machine has to do without, wholly or in part. Pure. */
import { DATA_PARTITIONS, PERSISTENT_FOLDER, type DataPartition } from "../layout/fstab.ts";
import type { Bytes } from "../core/units.ts";

/** Where each is mounted. */
export const DATA_FOLDERS: Readonly<Record<DataPartition, string>> = { oem: "/oem", persistent: PERSISTENT_FOLDER };

/** What the kernel says of a mount. */
export interface MountedData {
  readonly readOnly: boolean;
  readonly free: Bytes;
  readonly size: Bytes;
  readonly freeInodes: number;
  readonly inodes: number;
}

export const DEGRADATIONS = ["missing", "not mounted", "read-only", "full", "out of inodes"] as const;
export interface Degradation {
  readonly partition: DataPartition;
  readonly is: (typeof DEGRADATIONS)[number];
  /** One sentence for the alarm. */
  readonly sentence: string;
}

/** Less than this is as good as nothing: what writes needs some room for its own bookkeeping. */
const LEAST_FREE = 0.01;

/**
 * @param has whether the disk has the partition at all
 * @param mounted nothing where it is not mounted
 */
function degradationOf(partition: DataPartition, has: boolean, mounted: MountedData | undefined): Degradation | undefined {
  const folder = DATA_FOLDERS[partition];
  const found = (is: Degradation["is"], sentence: string): Degradation => ({ partition, is, sentence });
  if (!has) return found("missing", `the disk has no ${partition} partition: ${folder} forgets everything at the next boot`);
  if (!mounted)
    return found("not mounted", `the ${partition} partition cannot be mounted: ${folder} shows what the image has there`);
  if (mounted.readOnly) return found("read-only", `the ${partition} partition is read-only: nothing in ${folder} can be changed`);
  if (mounted.free < mounted.size * LEAST_FREE)
    return found("full", `the ${partition} partition is full: remove something below ${folder}`);
  if (mounted.freeInodes < mounted.inodes * LEAST_FREE)
    return found("out of inodes", `the ${partition} partition can hold no more files: remove some below ${folder}`);
  return undefined;
}

/** @param look what the kernel says of each; nothing where it is not mounted */
export function degradations(
  has: ReadonlySet<DataPartition>,
  look: Readonly<Record<DataPartition, MountedData | undefined>>,
): readonly Degradation[] {
  return DATA_PARTITIONS.flatMap((partition) => degradationOf(partition, has.has(partition), look[partition]) ?? []);
}
