import type { InitSystem } from "../../host/init-system.ts";
import type { DataPartition } from "../../layout/fstab.ts";
import { dataPartitionOf, mountUnit, parseFstab } from "../../layout/fstab-lines.ts";
import { failed, PASSED, type CheckOutcome } from "./check.ts";

export interface FailedBefore {
  /** Units that had failed on the last proven boot: they say nothing about this one. */
  readonly baseline: readonly string[];
  /** Text of `/etc/fstab`. */
  readonly fstab: string;
  /** Data partitions that this boot does without. */
  readonly degraded: ReadonlySet<DataPartition>;
}

/** No unit has failed that had not failed before, but for those of a partition that is degraded. */
export async function checkFailedUnits(
  init: Pick<InitSystem, "failed">,
  { baseline, fstab, degraded }: FailedBefore,
  signal: AbortSignal,
): Promise<CheckOutcome> {
  const excused = new Set([...baseline, ...unitsOf(fstab, degraded)]);
  const units = (await init.failed(signal)).filter((unit) => !excused.has(unit));
  if (units.length === 0) return PASSED;
  return failed(`${units.join(", ")} ${units.length === 1 ? "has" : "have"} failed`);
}

/** Of systemd, and of OpenRC. */
const WRITERS: readonly string[] = ["petrify-persist.service", "petrify-grow.service", "petrify-overlays", "petrify-grow"];

/** Units that cannot but fail without these partitions. */
function unitsOf(fstab: string, degraded: ReadonlySet<DataPartition>): string[] {
  const mounts = parseFstab(fstab).flatMap((line) => {
    const partition = dataPartitionOf(line);
    return partition !== undefined && degraded.has(partition) ? [mountUnit(line.point)] : [];
  });
  const checks = [...degraded].flatMap((name) => [`petrify-fsck@${name}.service`, `petrify-mount.${name}`]);
  // They write to it, which they cannot when it is full or read-only.
  const writers = degraded.has("persistent") ? WRITERS : [];
  return [...mounts, ...checks, ...writers];
}
