/** @portable Finds the disk by the GUID of one of its partitions, the same way at boot and later. */
import { AppError } from "../core/error.ts";
import type { Bytes } from "../core/units.ts";
import { decodeGpt, type DecodedGpt, type Partition, type SectorSize } from "../layout/gpt.ts";
import type { Guid } from "../layout/guid.ts";
import type { Sys } from "./sys.ts";

export interface Disk {
  /** As in `/sys/block`: `vda`, `nvme0n1`. */
  readonly name: string;
  readonly gpt: DecodedGpt;
}
/** What was looked at, for the message when nothing was found. */
export interface Search {
  /** The disk with that partition, once it is there. */
  find(): Disk | undefined;
  /** One phrase a disk. */
  readonly seen: ReadonlyMap<string, string>;
}

/** Devices without a partition table of their own, or without a medium at boot. */
const NOT_DISKS = /^(loop|ram|zram|dm-|md|sr|fd|nbd|mtd)/;
const SYSFS_SECTOR: Bytes = 512; // sizes in sysfs count these, whatever the disk has

/**
 * A search that reads each disk's table once; {@link Search.find} is called until the disk is there.
 *
 * Labels are not looked at: two disks may share them. Two with the same GUID are copies of each other, and either may be the wrong one.
 */
export function searchDisk(sys: Sys, partition: Guid): Search {
  const seen = new Map<string, string>();
  const found: Disk[] = [];
  return {
    seen,
    find: () => {
      for (const name of sys.list("/sys/block")) {
        if (NOT_DISKS.test(name) || seen.has(name)) continue;
        const size = diskSize(sys, name);
        if (size === 0) continue; // no medium, or not ready yet
        try {
          const gpt = readGpt(sys, name, size);
          seen.set(name, "another disk's partitions");
          if (gpt.partitions.some(({ guid }) => guid === partition)) found.push({ name, gpt });
        } catch (error) {
          seen.set(name, error instanceof Error ? error.message : String(error));
        }
      }
      const [disk, ...copies] = found;
      if (copies.length > 0) {
        const names = found
          .map(({ name }) => name)
          .toSorted()
          .join(" and ");
        throw new AppError("DISK_AMBIGUOUS", `the disks ${names} are copies: both have the partition ${partition}`, {
          hint: "Remove one of them.",
        });
      }
      return disk;
    },
  };
}

export const diskSize = (sys: Sys, name: string): Bytes => Number(sys.readText(`/sys/block/${name}/size`)) * SYSFS_SECTOR;

function readGpt(sys: Sys, name: string, size: Bytes): DecodedGpt {
  const sectorSize = Number(sys.readText(`/sys/block/${name}/queue/logical_block_size`)) as SectorSize;
  const file = sys.open(`/dev/${name}`, "read");
  try {
    return decodeGpt((offset, length) => sys.readAt(file, offset, length), size, sectorSize);
  } finally {
    sys.close(file);
  }
}

/** The device node of a partition, once the kernel has made it. */
export function partitionDevice(sys: Sys, disk: string, { number }: Partition): string | undefined {
  const node = sys.list(`/sys/block/${disk}`).find((name) => {
    const file = `/sys/block/${disk}/${name}/partition`;
    return name.startsWith(disk) && sys.exists(file) && Number(sys.readText(file)) === number;
  });
  return node && sys.exists(`/dev/${node}`) ? `/dev/${node}` : undefined;
}
