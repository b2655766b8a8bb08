/** @portable The disk: seven partitions in a fixed order, and how large each one is. docs/formats/disk.md. */
import { AppError } from "../core/error.ts";
import { alignUp, formatSize, GiB, KiB, MiB, type Bytes } from "../core/units.ts";
import { GPT_RESERVED, PARTITION_TYPES, type Gpt } from "./gpt.ts";
import type { Guid } from "./guid.ts";

/** In the order of the disk: the number of a partition is its place here, from 1. */
export const DISK_PARTITIONS = ["bios", "efi", "record", "oem", "recovery", "state", "persistent"] as const;
export type DiskPartition = (typeof DISK_PARTITIONS)[number];

/** Labels of the file systems, for people: software finds partitions by the disk that it was loaded from. */
export const DISK_LABELS = {
  efi: "COS_GRUB",
  oem: "COS_OEM",
  recovery: "COS_RECOVERY",
  state: "COS_STATE",
  persistent: "COS_PERSISTENT",
} as const satisfies Partial<Record<DiskPartition, string>>;

/** Files that hold system images, each at its full capacity from the start; paths from the root of their partition. */
export const IMAGE_FILES = { a: "/a.img", b: "/b.img", recovery1: "/recovery1.img", recovery2: "/recovery2.img" } as const;

/** The file of the efi partition with the tries and `next`: a GRUB environment block of 1024 bytes, alone in its 4096-byte cluster. */
export const TRIES_FILE = "/petrify/tries.env";

export interface Extent {
  readonly start: Bytes;
  readonly size: Bytes;
}
export interface DiskPlan {
  readonly size: Bytes;
  /** Capacity of each of a.img and b.img. */
  readonly slotSize: Bytes;
  /** Capacity of each recovery image. */
  readonly recoverySize: Bytes;
  readonly partitions: Readonly<Record<DiskPartition, Extent>>;
}
/** Unique to one disk: made from randomness by whoever makes the disk. */
export type DiskGuids = Readonly<Record<DiskPartition | "disk", Guid>>;

export interface DiskNeeds {
  /** The (largest) system image that goes on the disk. */
  readonly imageSize: Bytes;
  /** Capacity of a slot; default {@link defaultSlotSize}. Rounded up to 4 MiB. */
  readonly slotSize?: Bytes | undefined;
  /** Default: the smallest disk that fits. Rounded down to 1 MiB. */
  readonly diskSize?: Bytes | undefined;
}

const SIZES = { bios: 1 * MiB, efi: 256 * MiB, record: 1 * MiB, oem: 128 * MiB } as const;
const SMALLEST_PERSISTENT: Bytes = 256 * MiB;
const SMALLEST_SLOT: Bytes = 1.5 * GiB;
const SLOT_ALIGN: Bytes = 4 * MiB;
const TYPES: Partial<Readonly<Record<DiskPartition, Guid>>> = { bios: PARTITION_TYPES.biosBoot, efi: PARTITION_TYPES.esp };

/** Twice the image, and never less than 1.5 GiB: room for what the image will become. */
export const defaultSlotSize = (imageSize: Bytes): Bytes => alignUp(Math.max(SMALLEST_SLOT, 2 * imageSize), SLOT_ALIGN);

/**
 * Where everything goes.
 *
 * @throws AppError `IMAGE_TOO_LARGE` when the image does not fit a slot, `DISK_TOO_SMALL` when the partitions do not fit the disk
 */
export function planDisk({ imageSize, slotSize, diskSize }: DiskNeeds): DiskPlan {
  const slot = slotSize === undefined ? defaultSlotSize(imageSize) : alignUp(slotSize, SLOT_ALIGN);
  if (imageSize > slot) {
    throw new AppError("IMAGE_TOO_LARGE", `the image of ${exactSize(imageSize)} does not fit a slot of ${exactSize(slot)}`, {
      hint: "Make the slots larger in the recipe, or the image smaller.",
    });
  }
  // A recovery image is replaced by later, larger ones, and its partition cannot be moved: a quarter of room to grow.
  const recovery = alignUp(imageSize * 1.25, SLOT_ALIGN);
  const sizes = { ...SIZES, recovery: imageStoreSize(recovery), state: imageStoreSize(slot), persistent: SMALLEST_PERSISTENT };
  const partitions: Partial<Record<DiskPartition, Extent>> = {};
  let end = GPT_RESERVED;
  for (const name of DISK_PARTITIONS) {
    const start = alignUp(end, name === "state" ? SLOT_ALIGN : MiB);
    partitions[name] = { start, size: sizes[name] };
    end = start + sizes[name];
  }
  const smallest = end + GPT_RESERVED;
  const size = diskSize === undefined ? smallest : Math.floor(diskSize / MiB) * MiB;
  if (size < smallest) {
    const need = `two slots of ${formatSize(slot)} need a disk of ${exactSize(smallest)}`;
    throw new AppError("DISK_TOO_SMALL", `${need}, and this one has ${exactSize(diskSize!)}`, {
      hint: "Take a larger disk, or make the slots smaller in the recipe.",
    });
  }
  const persistent = { start: partitions.persistent!.start, size: partitions.persistent!.size + size - smallest };
  return { size, slotSize: slot, recoverySize: recovery, partitions: { ...(partitions as DiskPlan["partitions"]), persistent } };
}

/** Bytes of the smallest disk for an image: what a build prints. */
export const smallestDisk = ({ imageSize, slotSize }: Omit<DiskNeeds, "diskSize">): Bytes =>
  planDisk({ imageSize, slotSize }).size;

export function diskGpt({ size, partitions }: DiskPlan, guids: DiskGuids): Gpt {
  return {
    diskGuid: guids.disk,
    size,
    partitions: DISK_PARTITIONS.map((name, index) => ({
      number: index + 1,
      name,
      type: TYPES[name] ?? PARTITION_TYPES.linux,
      guid: guids[name],
      ...partitions[name],
      // The last partition grows at first boot (Discoverable Partitions Specification: 59).
      ...(name === "persistent" ? { attributes: [59] } : {}),
    })),
  };
}

/** An ext4 file system for two files of `capacity`: the files, 4 MiB of journal, and bitmaps, inodes and extents for each 128 MiB. */
function imageStoreSize(capacity: Bytes): Bytes {
  const groups = Math.ceil((2 * capacity) / (128 * MiB)) + 1;
  return alignUp(2 * capacity + 12 * MiB + groups * 64 * KiB, SLOT_ALIGN);
}

/** Capacity of each of the two files in a state or recovery partition of this size: what {@link planDisk} made it for. 0 when there is room for none. */
export function storeCapacity(partition: Bytes): Bytes {
  let capacity = Math.floor(partition / 2 / SLOT_ALIGN) * SLOT_ALIGN;
  while (capacity > 0 && imageStoreSize(capacity) > partition) capacity -= SLOT_ALIGN;
  return Math.max(0, capacity);
}

const exactSize = (bytes: Bytes): string => `${formatSize(bytes)} (${bytes} bytes)`;
