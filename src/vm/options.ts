import type { Bytes } from "../core/units.ts";
import type { Patch } from "../layout/patch.ts";

/** How a disk is attached; each needs another driver in the guest. */
export const CONTROLLERS = ["virtio-blk", "virtio-scsi", "ahci", "nvme", "usb-storage"] as const;
export type Controller = (typeof CONTROLLERS)[number];
export type Accelerator = "kvm" | "tcg";
export type Firmware = "bios" | "uefi";

export interface VmDisk {
  /** A file of the host; of `nbd` the unix socket of a server, which the guest always writes to. */
  readonly path: string;
  readonly format: "raw" | "qcow2" | "vmdk" | "vhdx" | "nbd";
  /** Default `virtio-blk`. `cd`: a CD in a SATA drive, which nobody can write to. */
  readonly controller?: Controller | "cd";
  /** Logical and physical sector size the guest sees; default 512. AHCI knows only 512. */
  readonly sectorSize?: 512 | 4096;
  /** `discard` (default): the guest writes to a throw-away overlay and the file stays as it is. `keep`: it writes to the file. */
  readonly writes?: "discard" | "keep";
  /** Of the disk that the guest sees, at least the file's; only for a disk whose writes are discarded. Default: the file's. */
  readonly size?: Bytes;
  /** Bytes the guest finds in place of the file's; only for a disk whose writes are discarded. */
  readonly patches?: readonly Patch[];
  /** The guest finds it write-protected. */
  readonly readOnly?: boolean;
  /** Offsets of 512-byte blocks of the disk that give an I/O error when they are read. */
  readonly unreadable?: readonly Bytes[];
  /** The same for blocks that give an error when they are written. */
  readonly unwritable?: readonly Bytes[];
}

/** A port of the host's loopback address that reaches a port of the guest. TCP. */
export interface Forward {
  readonly host: number;
  readonly guest: number;
}

export interface VmOptions {
  /** The first disk is the one that is booted from. */
  readonly disks: readonly VmDisk[];
  /** Default `tcg`: slow, but it works everywhere. */
  readonly accelerator?: Accelerator;
  /** Default `bios`. */
  readonly firmware?: Firmware;
  /** A file of the host with UEFI's variables, which the guest writes to; default: new ones, which are thrown away. */
  readonly variables?: string;
  /** Default 1. */
  readonly cpus?: number;
  /** Default 1 GiB. */
  readonly memory?: Bytes;
  /** Boots a kernel of the host's file system and skips the boot loader. */
  readonly kernel?: { readonly path: string; readonly initrd?: string; readonly cmdline: string };
  readonly forwards?: readonly Forward[];
  /** The guest may open connections through the host's network; default: it reaches nothing but the forwarded ports. */
  readonly online?: boolean;
  /** Names of two-way ports beside the console; in the guest `/dev/virtio-ports/NAME`. */
  readonly ports?: readonly string[];
  /** How many characters of the console's text are kept, at least: the last ones; default all. For machines that run for long. */
  readonly consoleKept?: number;
  /** A guest's reboot ends the VM; default: it reboots. */
  readonly endOnReboot?: boolean;
  /** Further QEMU arguments, e.g. for one test. */
  readonly extra?: readonly string[];
}
