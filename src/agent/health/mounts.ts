import type { DataPartition } from "../../layout/fstab.ts";
import { dataPartitionOf, parseFstab, type FstabLine } from "../../layout/fstab-lines.ts";
import { mountAt, parseMountInfo, type Mount } from "../../layout/mountinfo.ts";
import { failed, PASSED, type CheckOutcome } from "./check.ts";

export interface MountsSeen {
  /** Text of `/etc/fstab`. */
  readonly fstab: string;
  /** Text of `/proc/self/mountinfo`. */
  readonly mountinfo: string;
  /** Data partitions that this boot does without: an alarm of their own, which is no fault of the image. */
  readonly degraded: ReadonlySet<DataPartition>;
}

/** Whatever the fstab names is mounted, with its type of file system; but for what needs a partition that is degraded. */
export function checkMounts({ fstab, mountinfo, degraded }: MountsSeen): CheckOutcome {
  const mounts = parseMountInfo(mountinfo);
  const wrong = parseFstab(fstab)
    .filter((line) => isWanted(line) && !isDegraded(line, degraded))
    .flatMap((line) => whatIsWrong(line, mountAt(mounts, line.point)) ?? []);
  return wrong.length === 0 ? PASSED : failed(wrong.join(", "));
}

const isWanted = ({ point, type, options }: FstabLine): boolean =>
  point.startsWith("/") && type !== "swap" && type !== "ignore" && !options.includes("noauto");

function isDegraded(line: FstabLine, degraded: ReadonlySet<DataPartition>): boolean {
  const partition = dataPartitionOf(line);
  return partition !== undefined && degraded.has(partition);
}

function whatIsWrong({ point, type, options }: FstabLine, mount: Mount | undefined): string | undefined {
  if (!mount) return `${point} is not mounted`;
  // The type of a bind mount is that of what it shows; an automount is mounted when somebody looks.
  const isAny = type === "auto" || type === "none" || options.includes("bind") || options.includes("rbind");
  if (isAny || type.split(",").includes(mount.type)) return undefined;
  if (mount.type === "autofs" && options.some((option) => option.startsWith("x-systemd.automount"))) return undefined;
  return `${point} is ${mount.type}, not ${type}`;
}
