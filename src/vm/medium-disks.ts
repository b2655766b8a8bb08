import type { Firmware, VmDisk } from "./options.ts";

/** How a medium is in a machine. */
export const MEDIUM_KINDS = ["cd", "usb"] as const;
export type MediumKind = (typeof MEDIUM_KINDS)[number];

/**
 * The disks of a machine with a medium: it boots the disk once that boots, and the medium until then.
 *
 * But for a USB stick with BIOS, which is a hard disk to it, and only the first hard disk is tried (SeaBIOS, and many others): the stick is it.
 *
 * @param path of the ISO
 */
export function disksWithMedium(disk: VmDisk, path: string, kind: MediumKind, firmware: Firmware): VmDisk[] {
  const medium: VmDisk = { path, format: "raw", controller: kind === "cd" ? "cd" : "usb-storage" };
  return kind === "usb" && firmware === "bios" ? [medium, disk] : [disk, medium];
}
