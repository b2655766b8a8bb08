/** @portable Makes the disk this machine's own, before anything of it is in use. docs/formats/gpt.md, docs/formats/identity.md */
import { MiB, type Bytes } from "../core/units.ts";
import { EXT4_SUPERBLOCK_END, ext4Size } from "../layout/ext4.ts";
import { DEVICES_FOLDER, GROWTH_WANTED } from "../layout/fstab.ts";
import type { Gpt } from "../layout/gpt.ts";
import type { Guid } from "../layout/guid.ts";
import { encodeIdentity, type Identity } from "../layout/identity.ts";
import { tableChange } from "../layout/table-change.ts";
import { diskSize, type Disk } from "./block-devices.ts";
import { sentence } from "./failure.ts";
import { findIdentity, keepIdentity, newGuid, newIdentity } from "./identity.ts";
import type { Sys } from "./sys.ts";

/** What is not worth a change. */
const LEAST_GAIN: Bytes = 1 * MiB;
/** `BLKRRPART`: the kernel reads the table again. Source: linux/fs.h */
const READ_TABLE = 0x125f;

export interface SettledDisk {
  readonly disk: Disk;
  /** Absent where neither can be read nor stored: then nothing is to be derived from it. */
  readonly identity?: Identity;
}

/**
 * A disk's first boot on its machine makes it unlike every other disk written from the same file; any boot gives it the room that it has.
 *
 * The identity is stored last: cut off before, the next boot is the first one again. Never throws: a disk that cannot be changed boots as it is.
 *
 * @param notes sentences about what went wrong are added
 */
export function settleDisk(sys: Sys, disk: Disk, notes: string[]): SettledDisk {
  const found = findIdentity(sys, disk, notes);
  const isFirst = found.is === "missing";
  const settled = changeTable(sys, disk, isFirst ? () => newGuid(sys) : undefined, notes);
  if (found.is === "known") return { disk: settled, identity: found.identity };
  if (!isFirst) return { disk: settled };
  const identity = newIdentity(sys);
  keepIdentity(sys, settled, encodeIdentity(identity), notes);
  return { disk: settled, identity };
}

/** Nothing of the disk is in use yet, so the kernel can read the new table at once. */
function changeTable(sys: Sys, disk: Disk, guid: (() => Guid) | undefined, notes: string[]): Disk {
  try {
    const file = sys.open(`/dev/${disk.name}`, "write");
    try {
      const change = tableChange((offset, length) => sys.readAt(file, offset, length), diskSize(sys, disk.name), guid);
      if (!change) return disk;
      for (const step of change.steps) {
        for (const { offset, data } of step) sys.writeAt(file, offset, data);
        sys.syncFile(file);
      }
      sys.ioctl(file, READ_TABLE, 0);
      if (change.grown) sys.log("info", `the last partition of ${disk.name} reaches to the disk's end now`);
      return { ...disk, gpt: change.gpt };
    } finally {
      sys.close(file);
    }
  } catch (error) {
    notes.push(`the partition table of ${disk.name} cannot be changed: ${sentence(error)}`);
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
