/** @portable Mounts that every init makes, one process for each: one system call for each here. */
import { MOUNT_FLAGS, type Sys } from "./sys.ts";

const { noSuid, noDevices, noExec } = MOUNT_FLAGS;
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
/** Of folders that no image has. */
const MADE = /^\/(run|dev)\//;

/**
 * Makes the mounts that this kernel knows.
 *
 * @param root where the image's root is, its `/dev`, `/sys` and `/run` still being ours
 */
export function mountForServices(sys: Sys, root: string): void {
  const known = new Set(sys.readText("/proc/filesystems").split(/\s+/));
  for (const [type, folder, flags, data] of MOUNTS) {
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
