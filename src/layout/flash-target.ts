/** @portable Whether a disk may be overwritten: what is known of it goes in, the reasons against it come out. docs/concepts/flash.md */
import { formatSize, type Bytes } from "../core/units.ts";

/** What somebody wants to write a disk image to, before anything is changed. */
export interface FlashTarget {
  /** As the kernel calls it: `/dev/sdb`; of a regular file its path without links. */
  readonly path: string;
  /** `other`: a device that is made of others, a CD drive. */
  readonly kind: "disk" | "partition" | "file" | "other";
  /** Of a partition: the disk that it is on. */
  readonly disk?: string;
  readonly size: Bytes;
  readonly sectorSize: Bytes;
  readonly readOnly: boolean;
  readonly removable: boolean;
  readonly transport?: string;
  readonly model?: string;
  readonly serial?: string;
  /** Mounted file systems and swap on it, at any depth. */
  readonly mounts: readonly { readonly device: string; readonly at: string }[];
  /** Devices made of it or of its partitions: LVM, RAID, encryption, multipath. */
  readonly holders: readonly { readonly device: string; readonly type: string }[];
  /** Loop devices that show it, or a part of it. */
  readonly loops: readonly string[];
  /** The kernel says that somebody has it for themselves. */
  readonly isBusy: boolean;
  /** It is the medium that this system was started from. */
  readonly isMedium?: true;
  /** Whether we may write to it. */
  readonly isAllowed: boolean;
  /** Why a place that was looked at could not be read. */
  readonly failing?: string;
  /** What is on it, a phrase each; none where it is blank. */
  readonly found: readonly string[];
}

export interface Refusal {
  readonly code: string;
  /** A sentence. */
  readonly message: string;
  readonly hint: string;
}

/** Mount points of the system that runs. */
const SYSTEM = new Set(["/", "/boot", "/boot/efi", "/efi", "/usr", "/etc", "/nix/store", "/sysroot"]);
const AGAIN = "Name another disk: `lsblk` lists them.";

/**
 * Every reason against writing `needed` bytes to a disk; none when it may be done.
 *
 * The most telling one comes first. What was found is no reason with `wipe`; everything else always is.
 */
export function refusalsOf(target: FlashTarget, { needed, wipe }: { readonly needed: Bytes; readonly wipe: boolean }): Refusal[] {
  const { path, kind, disk, size, mounts, holders, loops, found } = target;
  const refusals: Refusal[] = [];
  const refuse = (when: boolean, code: string, message: () => string, hint: string): void => {
    if (when) refusals.push({ code, message: message(), hint });
  };
  const list = (all: readonly string[]): string => [...new Set(all)].join(", ");
  const multipath = holders.filter(({ type }) => type === "mpath");
  const others = holders.filter(({ type }) => type !== "mpath");
  const swap = mounts.filter(({ at }) => at === "[SWAP]");
  const mounted = mounts.filter(({ at }) => at !== "[SWAP]");
  const isSystem = mounted.some(({ at }) => SYSTEM.has(at));
  const where = (): string => list(mounted.map(({ device, at }) => `${device} at ${at}`));

  refuse(
    kind === "partition",
    "DEVICE_IS_PARTITION",
    () => `${path} is a partition${disk ? ` of ${disk}` : ""}, and the image is a whole disk`,
    disk ? `Name the disk: ${disk}.` : AGAIN,
  );
  refuse(kind === "other", "DEVICE_NOT_A_DISK", () => `${path} is no disk that an image can be written to`, AGAIN);
  refuse(target.isMedium === true, "DEVICE_IS_MEDIUM", () => `${path} is the medium that this system was started from`, AGAIN);
  refuse(isSystem, "DEVICE_IS_SYSTEM_DISK", () => `the running system is on ${path}: ${where()}`, AGAIN);
  refuse(
    mounted.length > 0 && !isSystem,
    "DEVICE_MOUNTED",
    () => `${path} is mounted: ${where()}`,
    `Unmount it first: umount ${list(mounted.map(({ device }) => device)).replaceAll(",", "")}`,
  );
  refuse(
    swap.length > 0,
    "DEVICE_IS_SWAP",
    () => `the system swaps to ${list(swap.map(({ device }) => device))}`,
    `Stop that first: swapoff ${list(swap.map(({ device }) => device)).replaceAll(",", "")}`,
  );
  refuse(
    multipath.length > 0,
    "DEVICE_IS_MULTIPATH",
    () => `${path} is one of several paths to one disk: ${list(multipath.map(({ device }) => device))}`,
    "petrify writes to disks with one path only: see `multipath -ll`.",
  );
  refuse(
    others.length > 0,
    "DEVICE_HELD",
    () => `${path} is in use: ${list(others.map(({ device, type }) => `${device} (${type})`))} is made of it`,
    "Stop what uses it (LVM, RAID, encryption), or name another disk.",
  );
  refuse(loops.length > 0, "DEVICE_HELD", () => `${path} is in use: ${list(loops)} shows it`, "Detach it: losetup --detach.");
  refuse(
    target.isBusy && refusals.length === 0,
    "DEVICE_BUSY",
    () => `${path} is in use: the kernel gives it to nobody else`,
    "Unmount it, and stop what uses it (ZFS, btrfs, LVM, RAID, a virtual machine).",
  );
  refuse(
    target.readOnly,
    "DEVICE_READ_ONLY",
    () => `${path} is write-protected`,
    "Some media have a switch; and see `blockdev --getro`, which is 1.",
  );
  refuse(
    size === 0,
    "DEVICE_EMPTY",
    () => `${path} has no size: there is no medium in it, or it does not answer`,
    "Insert one, or name another disk: `lsblk` lists them.",
  );
  refuse(
    size > 0 && size < needed,
    "DISK_TOO_SMALL",
    () => `the image needs ${exact(needed)}, and ${path} has ${exact(size)}`,
    "Take a larger disk, or make the slots smaller in the recipe.",
  );
  refuse(
    !target.isAllowed,
    "DEVICE_DENIED",
    () => `you may not write to ${path}`,
    "Run it as root (sudo), or as a member of the group that the device belongs to: see `ls -l`.",
  );
  refuse(
    target.failing !== undefined,
    "DEVICE_FAILING",
    () => `${path} is failing: ${target.failing}`,
    "Take another disk, or another cable or port; `dmesg` says more.",
  );
  refuse(
    found.length > 0 && !wipe,
    "DEVICE_HOLDS_DATA",
    () => `${path} holds data: ${found.join("; ")}`,
    "If it may be lost, say so: --wipe.",
  );
  return refusals;
}

/** A disk as people tell it from others: path, model, size. */
export function describeTarget({
  path,
  kind,
  model,
  serial,
  transport,
  removable,
  size,
}: Pick<FlashTarget, "path" | "kind" | "model" | "serial" | "transport" | "removable" | "size">): string {
  const words = [
    kind === "file" ? "a file" : model,
    serial && `serial ${serial}`,
    transport,
    removable ? "removable" : undefined,
    formatSize(size),
  ];
  return `${path} (${words.filter(Boolean).join(", ")})`;
}

const exact = (bytes: Bytes): string => `${formatSize(bytes)} (${bytes} bytes)`;
