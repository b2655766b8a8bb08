/** @portable A disk that is larger than its table: the last partition gets the rest, before anything of the disk is in use. */
import { MiB, type Bytes } from "../core/units.ts";
import { diskGrowth } from "../layout/disk-growth.ts";
import { EXT4_SUPERBLOCK_END, ext4Size } from "../layout/ext4.ts";
import { DEVICES_FOLDER, GROWTH_WANTED } from "../layout/fstab.ts";
import type { Gpt } from "../layout/gpt.ts";
import { diskSize, type Disk } from "./block-devices.ts";
import type { Sys } from "./sys.ts";

/** What is not worth a change. */
const LEAST_GAIN: Bytes = 1 * MiB;
/** `BLKRRPART`: the kernel reads the table again. Source: linux/fs.h */
const READ_TABLE = 0x125f;

/**
 * Never throws: a disk that cannot be grown boots as it is.
 *
 * @param notes a sentence about what went wrong is added
 * @returns the disk as it is now
 */
export function growDisk(sys: Sys, disk: Disk, notes: string[]): Disk {
  try {
    const file = sys.open(`/dev/${disk.name}`, "write");
    try {
      const growth = diskGrowth((offset, length) => sys.readAt(file, offset, length), diskSize(sys, disk.name));
      if (!growth) return disk;
      for (const step of growth.steps) {
        for (const { offset, data } of step) sys.writeAt(file, offset, data);
        sys.syncFile(file);
      }
      sys.ioctl(file, READ_TABLE, 0);
      sys.log("info", `the last partition of ${disk.name} reaches to the disk's end now`);
      return { ...disk, gpt: growth.gpt };
    } finally {
      sys.close(file);
    }
  } catch (error) {
    notes.push(`the last partition of ${disk.name} cannot grow: ${error instanceof Error ? error.message : String(error)}`);
    return disk;
  }
}

/**
 * Asks the image's init to grow the persistent file system where it is smaller than its partition: after the table has grown, and also
 * after a power cut in between.
 */
export function askForGrowth(sys: Sys, gpt: Gpt): void {
  const partition = gpt.partitions.find(({ name }) => name === "persistent");
  const device = `${DEVICES_FOLDER}/persistent`;
  if (!partition || !sys.exists(device)) return;
  try {
    const file = sys.open(device, "read");
    const size = ext4Size(sys.readAt(file, 0, EXT4_SUPERBLOCK_END));
    sys.close(file);
    if (size !== undefined && size <= partition.size - LEAST_GAIN) sys.writeText(GROWTH_WANTED, `${partition.size}\n`);
  } catch {
    // A device that cannot be read is not mounted either, and that is said then.
  }
}
