import type { RootFs } from "../host/rootfs.ts";
import { PACKAGE_PLACES, type PackageDatabaseKind } from "../layout/package-places.ts";

/** What a distribution knows of its packages: part of the image, and stays with it. docs/concepts/discovery.md */
export interface PackageDatabase {
  readonly kind: PackageDatabaseKind;
  /** Folder, as the system sees it. */
  readonly folder: string;
}

/** Every database that a tree has, one that is reached by two paths once. */
export async function packageDatabases(fs: RootFs): Promise<PackageDatabase[]> {
  const found = new Map<string, PackageDatabase>();
  for (const [kind, places] of Object.entries(PACKAGE_PLACES) as [PackageDatabaseKind, (typeof PACKAGE_PLACES)["rpm"]][]) {
    for (const { folder, files } of places) {
      const real = await fs.resolve(folder);
      const names = await fs.list(folder);
      if (!found.has(real) && files.some((file) => names.includes(file))) found.set(real, { kind, folder });
    }
  }
  return [...found.values()];
}
