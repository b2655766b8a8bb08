import type { RootFs } from "../host/rootfs.ts";
import { packageDatabases } from "./package-database.ts";
import type { Tree } from "./tree.ts";

/**
 * Takes out what a running system makes for itself, what the build host left, and what differs between two builds. Whatever a
 * distribution knows of its packages stays.
 *
 * @param kernel flavour of the suite's kernel; none where it comes from elsewhere
 */
export async function cleanTree({ fs, tool }: Tree, kernel: "cloud" | "full" | undefined): Promise<void> {
  for (const path of LEFTOVERS) await fs.remove(path);
  for (const { kind, folder } of await packageDatabases(fs)) {
    for (const name of await fs.list(folder)) if (OF_DATABASE[kind]?.test(name)) await fs.remove(`${folder}/${name}`);
  }
  // Names and quirks of hardware that the cloud kernel has no drivers for; udev does without.
  if (kernel === "cloud") for (const folder of ["/usr/lib", "/lib"]) await fs.remove(`${folder}/udev/hwdb.bin`);
  const empty = async (folder: string, ...only: readonly string[]): Promise<void> => {
    if (await fs.exists(folder)) await tool(["find", await fs.resolve(folder), "-mindepth", "1", ...only, "-delete"]);
  };
  for (const folder of EMPTIED) await empty(folder);
  // The folders are those of packages, whose services cannot all make them anew.
  await empty("/var/log", "!", "-type", "d");
  await fs.write("/etc/machine-id", "");
  if (await hasResolved(fs)) await fs.link("/etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf");
  else await fs.write("/etc/resolv.conf", "");
  // ConditionNeedsUpdate= compares these with /usr: an image never needs that.
  for (const path of ["/etc/.updated", "/var/.updated"]) await fs.write(path, "");
  for (const name of await fs.list("/etc/ssh")) if (name.startsWith("ssh_host_")) await fs.remove(`/etc/ssh/${name}`);
}

const hasResolved = async (fs: RootFs): Promise<boolean> =>
  (await fs.exists("/usr/lib/systemd/systemd-resolved")) || (await fs.exists("/lib/systemd/systemd-resolved"));

const LEFTOVERS = [
  ...["/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-", "/etc/subuid-", "/etc/subgid-", "/etc/.pwd.lock"],
  ...["/etc/fstab", "/etc/apt/sources.list", "/etc/apt/apt.conf.d/99mmdebstrap"],
  ...["/var/lib/systemd/random-seed", "/var/lib/urandom/random-seed", "/var/lib/seedrng", "/var/lib/misc/random-seed"],
  ...["/var/lib/dbus/machine-id", "/var/log/journal", "/var/cache/ldconfig/aux-cache"],
  // Of a container: they tell programs that this is one.
  ...["/.dockerenv", "/run/.containerenv"],
];
/** Backups, locks and shared memory of package managers. SQLite's `-wal` is part of the data. */
const OF_DATABASE: Readonly<Record<string, RegExp>> = {
  dpkg: /^(?:status|diversions|statoverride|available)-old$/,
  rpm: /^(?:__db\.\d+|\.rpm\.lock|\.dbenv\.lock|rpmdb\.sqlite-shm)$/,
  apk: /^lock$/,
};
const EMPTIED = [
  ...["/var/tmp", "/tmp", "/run", "/boot", "/dev"],
  ...["/var/lib/apt/lists", "/var/cache/apt", "/var/cache/debconf"],
  ...["/var/cache/apk", "/var/cache/dnf", "/var/cache/libdnf5", "/var/cache/yum", "/var/cache/zypp", "/var/cache/pacman/pkg"],
];
