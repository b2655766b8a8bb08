import { createHash, randomBytes } from "node:crypto";
import { glob, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, cp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "../../../src/build/build.ts";
import type { BuildContext } from "../../../src/build/context.ts";
import { diskOfImage } from "../../../src/build/image-disk.ts";
import { silent } from "../../../src/core/progress.ts";
import { currentCaller } from "../../../src/host/caller.ts";
import { moveInto } from "../../../src/host/files.ts";
import { run } from "../../../src/host/run.ts";
import type { VmHost } from "../../../src/vm/vm.ts";
import { CACHE } from "../../support/cli.ts";
import { testTools } from "../../support/tools.ts";

export interface FixtureOptions {
  readonly suite?: "trixie" | "bookworm" | "sid";
  readonly kernel?: "cloud" | "full";
  /** Beside those of every image. */
  readonly packages?: readonly string[];
}
/** A system image with the tests' agent, and a disk that has it in both slots, proven, and in recovery. Never written to. */
export interface Fixture {
  readonly host: VmHost;
  readonly image: string;
  readonly disk: string;
}

const TOP = join(import.meta.dirname, "../../..");
const RECIPE = join(import.meta.dirname, "recipe");
const FOLDER = join(CACHE, "vm-fixtures");
/** Fixtures of other states of the source are dropped when nobody has used them for so long. */
const KEPT_MS = 2 * 3600 * 1000;

const made = new Map<string, Promise<Fixture>>();

/** Builds the fixture the way a user builds an image; once for a state of the source, and never twice in a process. */
export async function fixture({ suite = "trixie", kernel = "cloud", packages = [] }: FixtureOptions = {}): Promise<Fixture> {
  const name = [suite, kernel, ...packages].join(" ");
  const known = made.get(name) ?? makeFixture({ suite, kernel, packages });
  made.set(name, known);
  return await known;
}

async function makeFixture({ suite, kernel, packages }: Required<FixtureOptions>): Promise<Fixture> {
  const tools = await testTools();
  const caller = currentCaller();
  const host: VmHost = { tools, caller, run, folder: join(CACHE, "vm") };
  const key = createHash("sha256")
    .update([tools.id, suite, kernel, ...packages, await sourceDigest()].join(" "))
    .digest("hex");
  const folder = join(FOLDER, key.slice(0, 16));
  const fresh: Fixture = { host, image: join(folder, "system.img"), disk: join(folder, "disk.raw") };
  await mkdir(FOLDER, { recursive: true });
  await dropOld(folder);
  if (await stat(folder).catch(() => undefined)) return fresh;

  const work = await mkdtemp(join(FOLDER, "work-"));
  try {
    const context: BuildContext = {
      ...{ tools, run, caller, progress: silent, signal: undefined, cacheFolder: CACHE },
      ...{ clock: () => performance.now(), random: randomBytes },
    };
    await cp(RECIPE, join(work, "recipe"), { recursive: true });
    const recipePath = join(work, "recipe/petrify.yaml");
    const recipe = await readFile(recipePath, "utf8");
    const words = { SUITE: suite, KERNEL: kernel, PACKAGES: packages.join(", ") };
    await writeFile(
      recipePath,
      recipe.replaceAll(/@([A-Z]+)@/g, (_, word: keyof typeof words) => words[word]),
    );
    const outDir = join(work, "out");
    const request = { recipePath, outputs: ["image"], format: "raw", outDir, updateLock: false } as const;
    const { image, manifest } = await build(request, context);
    await rename(image!, join(outDir, "system.img"));
    const both = { image: join(outDir, "system.img"), manifest, bothSlots: true, format: "raw", work } as const;
    await diskOfImage(both, join(outDir, "disk.raw"), context);
    await moveInto(outDir, folder);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return fresh;
}

/** Of all that decides what an image is, besides the archive. */
async function sourceDigest(): Promise<string> {
  const hash = createHash("sha256");
  const files = await Array.fromAsync(glob(["src/**/*", "tests/vm/harness/recipe/**/*"], { cwd: TOP, withFileTypes: true }));
  const paths = files
    .filter((file) => file.isFile() && !file.name.endsWith(".test.ts"))
    .map((file) => join(file.parentPath, file.name));
  for (const path of paths.toSorted())
    hash
      .update(path.slice(TOP.length))
      .update("\0")
      .update(await readFile(path));
  return hash.digest("hex");
}

async function dropOld(current: string): Promise<void> {
  for (const name of await readdir(FOLDER)) {
    const path = join(FOLDER, name);
    const age = Date.now() - (await stat(path)).mtimeMs;
    if (path !== current && age > KEPT_MS) await rm(path, { recursive: true, force: true });
  }
}
