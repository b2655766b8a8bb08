/** @portable Mounts that every init makes, one process for each: one system call for each here. */
import type { ImageFacts } from "../layout/image-facts.ts";
import { MOUNT_FLAGS, type Sys } from "./sys.ts";

const { bind, remount, noSuid, noDevices, noExec } = MOUNT_FLAGS;
const CLOSED = noSuid | noDevices | noExec;

/** Type, folder, flags, options: those of systemd's units of the same names, which find their work done. */
const MOUNTS: readonly (readonly [type: string, folder: string, flags: number, data: string])[] = [
  ["tmpfs", "/tmp", noSuid | noDevices, "mode=1777,size=50%,nr_inodes=1m"],
  ["tmpfs", "/run/lock", CLOSED, "mode=1777,size=5242880"],
  ["hugetlbfs", "/dev/hugepages", noSuid | noDevices, ""],
  ["mqueue", "/dev/mqueue", CLOSED, ""],
  ["debugfs", "/sys/kernel/debug", CLOSED, ""],
  ["tracefs", "/sys/kernel/tracing", CLOSED, ""],
  ["configfs", "/sys/kernel/config", CLOSED, ""],
  ["fusectl", "/sys/fs/fuse/connections", CLOSED, ""],
];
/** Of a sealed image nothing that can be written to can be executed, nor be a device. */
const SEALED_MOUNTS: typeof MOUNTS = [["tmpfs", "/dev/shm", CLOSED, "mode=1777"]];
/** Mounted before anything was known of the image. */
const SEALED_REMOUNTS = [
  ["/run", CLOSED],
  ["/dev", noSuid | noExec],
] as const;
/** Of folders that no image has. */
const MADE = /^\/(run|dev)\//;

/**
 * Makes the mounts that this kernel knows.
 *
 * @param root where the image's root is, its `/dev`, `/sys` and `/run` still being ours
 */
export function mountForServices(sys: Sys, root: string, profile?: ImageFacts["profile"]): void {
  const known = new Set(sys.readText("/proc/filesystems").split(/\s+/));
  const isSealed = profile === "sealed";
  if (isSealed) for (const [folder, flags] of SEALED_REMOUNTS) sys.mount("", folder, { flags: remount + bind + flags });
  for (const [type, folder, given, data] of isSealed ? [...MOUNTS, ...SEALED_MOUNTS] : MOUNTS) {
    const flags = isSealed ? given | noExec : given;
    const at = folder === "/tmp" ? root + folder : folder;
    if (!known.has(type)) continue;
    try {
      if (MADE.test(at)) sys.makeFolder(at);
      if (sys.exists(at)) sys.mount(type, at, { type, flags, data });
    } catch {
      // The image's init tries again, and says what is wrong.
    }
  }
}
