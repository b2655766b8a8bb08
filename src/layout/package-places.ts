/** @portable Where distributions keep what they know of the packages in an image. docs/concepts/discovery.md */

export interface PackagePlace {
  readonly folder: string;
  /** One of them is always there. */
  readonly files: readonly string[];
}

/** SQLite, ndb, and Berkeley DB before 4.16. Source: rpm, docs/manual/database.md */
const RPM_FILES = ["rpmdb.sqlite", "Packages.db", "Packages"] as const;

/** By the program that made it; `status.d` is of images that were made without dpkg (rules_distroless). */
export const PACKAGE_PLACES = {
  dpkg: [{ folder: "/var/lib/dpkg", files: ["status", "status.d"] }],
  rpm: ["/usr/lib/sysimage/rpm", "/var/lib/rpm", "/usr/share/rpm"].map((folder) => ({ folder, files: RPM_FILES })),
  apk: ["/lib/apk/db", "/usr/lib/apk/db"].map((folder) => ({ folder, files: ["installed"] })),
  pacman: [{ folder: "/var/lib/pacman/local", files: ["ALPM_DB_VERSION"] }],
} as const satisfies Readonly<Record<string, readonly PackagePlace[]>>;
export type PackageDatabaseKind = keyof typeof PACKAGE_PLACES;
