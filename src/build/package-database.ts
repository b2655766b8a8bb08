/** Where a distribution keeps what it knows of its packages. It is part of the image, and stays with it. docs/concepts/discovery.md */
import type { RootFs } from "../host/rootfs.ts";

export interface PackageDatabase {
  readonly kind: "dpkg" | "rpm" | "apk" | "pacman";
  /** Folder, as the system sees it. */
  readonly folder: string;
}

/** By the file that a database cannot be without: rpm's is SQLite, ndb or, before 4.16, Berkeley DB. */
const PLACES: readonly (readonly [kind: PackageDatabase["kind"], folder: string, files: readonly string[]])[] = [
  ["dpkg", "/var/lib/dpkg", ["status", "status.d"]],
  ["rpm", "/usr/lib/sysimage/rpm", ["rpmdb.sqlite", "Packages.db", "Packages"]],
  ["rpm", "/var/lib/rpm", ["rpmdb.sqlite", "Packages.db", "Packages"]],
  ["apk", "/usr/lib/apk/db", ["installed"]],
  ["apk", "/lib/apk/db", ["installed"]],
  ["pacman", "/var/lib/pacman/local", ["ALPM_DB_VERSION"]],
];

/** Every database that a tree has, one that is reached by two paths once. */
export async function packageDatabases(fs: RootFs): Promise<PackageDatabase[]> {
  const found = new Map<string, PackageDatabase>();
  for (const [kind, folder, files] of PLACES) {
    const real = await fs.resolve(folder);
    const names = await fs.list(folder);
    if (!found.has(real) && files.some((file) => names.includes(file))) found.set(real, { kind, folder });
  }
  return [...found.values()];
}
