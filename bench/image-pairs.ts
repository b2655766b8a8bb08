/** The images between which updates are measured. */
import { mkdir, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { formatLock, parseLock, type Lock, type LockedPackage } from "../src/config/lock.ts";
import { AppError } from "../src/core/error.ts";
import { fileExists, makeFolder, readText, writeText } from "../src/host/files.ts";
import { noise } from "../tests/support/small-image.ts";
import { treeImage } from "../tests/support/tree-image.ts";
import type { BenchContext } from "./context.ts";
import { deltaPair } from "./delta-pair.ts";
import { SUITE } from "./workload.ts";

/** Paths of two system images. */
export interface ImagePair {
  readonly title: string;
  readonly old: string;
  readonly new: string;
  readonly notes: readonly string[];
}

/** The same bytes on every machine that has the same tools. */
export async function frozenPair({ tools, folder, progress }: BenchContext): Promise<ImagePair> {
  await makeFolder(join(folder, "deltas"));
  const image = async (version: "old" | "new"): Promise<string> => {
    const path = join(folder, "deltas", `frozen-${version}.img`);
    await treeImage(tools, deltaPair(version), path, { vmlinuz: noise(400_000, "bench") });
    return path;
  };
  const [old, next] = await progress.step("make the frozen pair", async () => [await image("old"), await image("new")] as const);
  const notes = ["Two libraries, all modules, some text: made by `bench/delta-pair.ts`. The kernel is the same."];
  return { title: "The frozen pair", old, new: next, notes };
}

/** Packages that are taken as an example when they have an update, before any other. */
const EXAMPLE = ["libssl3t64", "openssl-provider-legacy"];

/** The suite as it was released, and today with one update of its, or with all. */
export async function archivePair(which: "package" | "kernel", context: BenchContext): Promise<ImagePair> {
  const { progress, tools } = context;
  const release = { version: "1.0.0", mirror: await releaseMirror(tools.root) };
  const old = await progress.step("build the release", async () => await build("release", release, context));
  const latest = await progress.step(
    "build the release with all updates",
    async () => await build("latest", { version: "1.0.1", lock: { ...old.lock, packages: [] } }, context),
  );
  const updates = changes(old.lock.packages, latest.lock.packages);
  const all = `Updates: ${updates.map(({ text }) => text).join(", ")}.`;
  if (which === "kernel") return { title: "All updates, with a kernel", old: old.image, new: latest.image, notes: [all] };

  const names = exampleOf(updates.map(({ name }) => name));
  const packages = old.lock.packages.filter(({ name }) => !names.includes(name));
  const one = await progress.step(
    "build the release with one update",
    async () => await build("one", { version: "1.0.1", lock: { ...old.lock, packages } }, context),
  );
  const made = changes(old.lock.packages, one.lock.packages);
  return { title: "One package", old: old.image, new: one.image, notes: [`Update: ${made.map(({ text }) => text).join(", ")}.`] };
}

function exampleOf(names: readonly string[]): readonly string[] {
  const known = names.filter((name) => EXAMPLE.includes(name));
  const others = names.filter((name) => !name.startsWith("linux-"));
  if (known.length === 0 && others.length === 0)
    throw new AppError("NO_UPDATE", `${SUITE} has no update today that could be measured`);
  return known.length > 0 ? known : others.slice(0, 1);
}

/** What another list has besides or in place of the packages of one. Kernels have their version in their names. */
function changes(
  old: readonly LockedPackage[],
  latest: readonly LockedPackage[],
): { readonly name: string; readonly text: string }[] {
  return latest.flatMap(({ name, version }) => {
    const before = old.find((other) => other.name === name)?.version;
    return before === version ? [] : [{ name, text: before ? `${name} ${before} → ${version}` : `${name} ${version}` }];
  });
}

/** Where the tools tree has the suite itself from, without updates. */
async function releaseMirror(toolsRoot: string): Promise<string> {
  const list = await readText(join(toolsRoot, "etc/apt/sources.list"));
  const mirror = new RegExp(`^deb (?:\\[.*\\] )?(\\S+) ${SUITE} `, "m").exec(list)?.[1];
  if (mirror === undefined) throw new AppError("MIRROR_UNKNOWN", `the tools tree does not say where ${SUITE} comes from`);
  return mirror;
}

interface BuildOptions {
  readonly version: string;
  /** Default: the archive with its updates. */
  readonly mirror?: string;
  /** Ids of users, and the versions to be kept of those packages that it has; default: the archive's packages of today. */
  readonly lock?: Lock;
}
interface Built {
  readonly image: string;
  readonly lock: Lock;
}

/** The default recipe, built as a user builds it. */
async function build(name: string, { version, mirror, lock }: BuildOptions, context: BenchContext): Promise<Built> {
  const { tools, run, signal } = context;
  const top = join(context.folder, "deltas");
  const project = join(top, name);
  const cache = join(top, "cache");
  await mkdir(cache, { recursive: true });
  if (!(await fileExists(join(cache, "tools")))) await symlink(dirname(tools.root), join(cache, "tools"));
  const base = `base:\n  suite: ${SUITE}\n${mirror === undefined ? "" : `  mirror: ${mirror}\n`}`;
  await writeText(join(project, "petrify.yaml"), `apiVersion: petrify/v1\nname: bench\nversion: ${version}\n${base}`);
  const lockFile = join(project, "petrify.lock");
  // A lock that was made for something else says what is preferred.
  if (lock) await writeText(lockFile, formatLock({ ...lock, inputs: "" }));
  const main = join(import.meta.dirname, "../src/cli/main.ts");
  await run([process.execPath, main, "--cache", cache, "build", project, ...(lock ? [] : ["--update-lock"])], { signal });
  return { image: join(project, `out/bench-${version}.img`), lock: parseLock(await readText(lockFile), lockFile) };
}
