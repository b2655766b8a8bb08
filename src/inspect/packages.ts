/** The packages of an image, out of whichever database it has. */
import { join } from "node:path";
import { makeFolder } from "../host/files.ts";
import { writeBytes } from "../host/partial-file.ts";
import { toolFailed } from "../host/tools.ts";
import { parseApkInstalled } from "../layout/apk-installed.ts";
import { licencesOfCopyright } from "../layout/copyright.ts";
import { parseDpkgStatus } from "../layout/dpkg-status.ts";
import { byName, type Package, type PackageKind } from "../layout/package.ts";
import { parseRpmQuery, RPM_QUERY_FORMAT } from "../layout/rpm-query.ts";
import { bytesOf, textOf, type ImageTree } from "./image-tree.ts";
import type { InspectContext, OpenedImage } from "./open-image.ts";

export interface FoundPackages {
  /** Sorted by name. */
  readonly packages: readonly Package[];
  /** Where each database lies. */
  readonly databases: readonly { readonly kind: PackageKind; readonly path: string }[];
}

const DPKG = "/var/lib/dpkg";
const APK = ["/lib/apk/db/installed", "/usr/lib/apk/db/installed"] as const;
const RPM = ["/usr/lib/sysimage/rpm", "/var/lib/rpm", "/usr/share/rpm"] as const;
/** Of each of rpm's backends the one file that is always there: sqlite, ndb, and Berkeley DB of old, which rpm still reads. */
const RPM_FILES = ["rpmdb.sqlite", "Packages.db", "Packages"] as const;
const MAX_DATABASE = 1024 ** 3;
const MAX_COPYRIGHT = 4 * 1024 ** 2;

/** @throws AppError `TOOL_FAILED` when rpm cannot read its database; what opening the tree of its programs throws */
export async function packagesOf(image: OpenedImage, context: InspectContext): Promise<FoundPackages> {
  const { tree } = image;
  const found: [kind: PackageKind, path: string, packages: readonly Package[]][] = [];
  const status = await textOf(tree, `${DPKG}/status`);
  if (status !== undefined) found.push(["deb", `${DPKG}/status`, parseDpkgStatus(status)]);
  // Images without dpkg have a file a package. Source: bazel's rules_distroless, "status.d".
  const parts = await Promise.all(
    tree.names(`${DPKG}/status.d`).map(async (name) => (await textOf(tree, `${DPKG}/status.d/${name}`)) ?? ""),
  );
  if (parts.length > 0) found.push(["deb", `${DPKG}/status.d`, parts.flatMap(parseDpkgStatus)]);
  for (const path of oncePerFile(tree, APK)) found.push(["apk", path, parseApkInstalled((await textOf(tree, path)) ?? "")]);
  for (const path of oncePerFile(tree, RPM)) {
    if (RPM_FILES.some((name) => tree.find(`${path}/${name}`)))
      found.push(["rpm", path, await rpmPackages(image, path, context)]);
  }
  const packages = found.flatMap(([, , list]) => list);
  return {
    packages: packages.toSorted(byName),
    databases: found.filter(([, , list]) => list.length > 0).map(([kind, path]) => ({ kind, path })),
  };
}

/** Paths that exist, without those that a link makes another one's. */
function oncePerFile(tree: ImageTree, paths: readonly string[]): string[] {
  const seen = new Map<number, string>();
  for (const path of paths) {
    const node = tree.find(path);
    if (node && !seen.has(node.nid)) seen.set(node.nid, path);
  }
  return [...seen.values()];
}

/** rpm's databases are not texts: rpm itself is asked, on a copy, since it wants to write locks. */
async function rpmPackages(
  { tree, work }: OpenedImage,
  path: string,
  { containerTools, signal }: InspectContext,
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
