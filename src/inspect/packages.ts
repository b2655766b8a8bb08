/** The packages of an image, out of whichever database it has. */
import { dirname, join } from "node:path";
import { makeFolder } from "../host/files.ts";
import { writeBytes } from "../host/partial-file.ts";
import { toolFailed } from "../host/tools.ts";
import { parseApkInstalled } from "../layout/apk-installed.ts";
import { licencesOfCopyright } from "../layout/copyright.ts";
import { parseDpkgStatus } from "../layout/dpkg-status.ts";
import { byName, type Package, type PackageKind } from "../layout/package.ts";
import { PACKAGE_PLACES, type PackageDatabaseKind } from "../layout/package-places.ts";
import { parseRpmQuery, RPM_QUERY_FORMAT } from "../layout/rpm-query.ts";
import { bytesOf, textOf, type ImageTree } from "./image-tree.ts";
import type { InspectContext, OpenedImage } from "./open-image.ts";

export interface FoundPackages {
  /** Sorted by name. */
  readonly packages: readonly Package[];
  /** Where each database lies. */
  readonly databases: readonly { readonly kind: PackageKind; readonly path: string }[];
}

const MAX_DATABASE = 1024 ** 3;
const MAX_COPYRIGHT = 4 * 1024 ** 2;

/** @throws AppError `TOOL_FAILED` when rpm cannot read its database; what opening the tree of its programs throws */
export async function packagesOf(
  image: Pick<OpenedImage, "tree" | "work">,
  context: Pick<InspectContext, "containerTools" | "signal">,
): Promise<FoundPackages> {
  const { tree } = image;
  const found: [kind: PackageKind, path: string, packages: readonly Package[]][] = [];
  for (const path of placesOf(tree, "dpkg")) {
    // `status` is a file; `status.d` has one a package.
    const names = tree.names(path);
    const parts = names.length > 0 ? names.map((name) => `${path}/${name}`) : [path];
    const texts = await Promise.all(parts.map(async (part) => (await textOf(tree, part)) ?? ""));
    found.push(["deb", path, texts.flatMap(parseDpkgStatus)]);
  }
  for (const path of placesOf(tree, "apk")) found.push(["apk", path, parseApkInstalled((await textOf(tree, path)) ?? "")]);
  for (const path of placesOf(tree, "rpm")) {
    const folder = dirname(path);
    found.push(["rpm", folder, await rpmPackages(image, folder, context)]);
  }
  const packages = found.flatMap(([, , list]) => list);
  return {
    packages: packages.toSorted(byName),
    databases: found.filter(([, , list]) => list.length > 0).map(([kind, path]) => ({ kind, path })),
  };
}

/** The databases of a kind, by the files that they cannot be without; one that is reached by two paths once. */
function placesOf(tree: ImageTree, kind: PackageDatabaseKind): string[] {
  const seen = new Map<number, string>();
  for (const { folder, files } of PACKAGE_PLACES[kind]) {
    for (const file of files) {
      const node = tree.find(`${folder}/${file}`);
      if (node && !seen.has(node.nid)) seen.set(node.nid, `${folder}/${file}`);
    }
  }
  return [...seen.values()];
}

/** rpm's databases are not texts: rpm itself is asked, on a copy, since it wants to write locks. */
async function rpmPackages(
  { tree, work }: Pick<OpenedImage, "tree" | "work">,
  path: string,
  { containerTools, signal }: Pick<InspectContext, "containerTools" | "signal">,
): Promise<Package[]> {
  const copy = join(await work(), `rpm${path.replaceAll("/", "-")}`);
  await makeFolder(copy);
  for (const name of tree.names(path)) {
    const bytes = await bytesOf(tree, `${path}/${name}`, MAX_DATABASE);
    if (bytes && !name.startsWith("__db") && !name.startsWith(".")) await writeBytes(join(copy, name), bytes);
  }
  const tools = await containerTools();
  const argv = ["rpm", "--dbpath", "/tmp/db", "--query", "--all", "--queryformat", RPM_QUERY_FORMAT] as const;
  const { stdout } = await tools
    .run(argv, { binds: [{ source: copy, target: "/tmp/db", writable: true }], signal })
    .catch((cause: unknown) => {
      signal?.throwIfAborted();
      throw toolFailed("rpm", `the database of packages in ${path} could not be read`, cause);
    });
  return parseRpmQuery(stdout);
}

/** Adds what dpkg's database does not have: licences, from each package's copyright file where that is in the machine-readable form. */
export async function withLicences(tree: ImageTree, packages: readonly Package[]): Promise<readonly LicensedPackage[]> {
  const result: LicensedPackage[] = [];
  for (const one of packages) {
    const own = one.licence === undefined ? [] : [one.licence];
    result.push({ ...one, licences: one.kind === "deb" ? await debianLicences(tree, one.name) : own });
  }
  return result;
}
export interface LicensedPackage extends Package {
  /** All of them are in force; empty when they are not known. */
  readonly licences: readonly string[];
}

async function debianLicences(tree: ImageTree, name: string): Promise<readonly string[]> {
  const node = tree.find(`/usr/share/doc/${name}/copyright`);
  if (node?.kind !== "file" || node.size > MAX_COPYRIGHT) return [];
  return licencesOfCopyright((await textOf(tree, node.path)) ?? "") ?? [];
}
