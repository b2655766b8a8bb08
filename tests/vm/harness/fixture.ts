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
import type { Manifest } from "../../../src/release/manifest.ts";
import type { VmHost } from "../../../src/vm/vm.ts";
import { CACHE } from "../../support/cli.ts";
import { testTools } from "../../support/tools.ts";
import { takeCore, takeTurn } from "../../support/turns.ts";
import { BASES, placeBase, type BaseKind } from "./base.ts";

interface ImageOptions {
  readonly suite?: "trixie" | "bookworm" | "sid";
  readonly kernel?: "cloud" | "full";
  /** Beside those of every image. */
  readonly packages?: readonly string[];
  /** As a recipe has them, each in a line. */
  readonly users?: readonly string[];
  readonly init?: "systemd" | "openrc";
  /** In place of a suite; its init is found. Those with Debian's packages have `init` and `packages` in them. */
  readonly base?: BaseKind;
  /** The recipe's `health`, in a line. */
  readonly health?: string;
  /** The recipe's `recovery`, in a line. */
  readonly recovery?: string;
}
export interface FixtureOptions extends ImageOptions {
  /** Another image for slot b. It is built without the first one's lock. */
  readonly slotB?: ImageOptions;
}
/**
 * A system image with the tests' agent, and a disk that has it in both slots, proven, and in recovery; but for slot b where that has
 * another one. Never written to.
 */
export interface Fixture {
  readonly host: VmHost;
  readonly init: "systemd" | "openrc";
  readonly image: string;
  /** What slot b has; mostly the same path. */
  readonly slotB: string;
  readonly disk: string;
}

const TOP = join(import.meta.dirname, "../../..");
const RECIPE = join(import.meta.dirname, "recipe");
const FOLDER = join(CACHE, "vm-fixtures");
/** What starts the agent where udev does not, and what reads a file late. */
const STARTED = { systemd: "petrify-test-late.timer", openrc: "petrify-test" } as const;
/** Fixtures of other states of the source are dropped when nobody has used them for so long. */
const KEPT_MS = 2 * 3600 * 1000;

const made = new Map<string, Promise<Fixture>>();

/** Builds the fixture the way a user builds an image; once for a state of the source, however many processes want it. */
export async function fixture(options: FixtureOptions = {}): Promise<Fixture> {
  const { slotB, ...slotA } = options;
  const images = slotB ? [slotA, slotB] : [slotA];
  const name = JSON.stringify(images);
  const known = made.get(name) ?? makeFixture(name, slotA.init ?? "systemd", images);
  made.set(name, known);
  return await known;
}

/** What the recipe says `@WORD@` for. */
const wordsOf = ({
  suite = "trixie",
  kernel = "cloud",
  packages = [],
  users = [],
  base,
  init = "systemd",
  health = "{}",
  recovery = "{}",
}: ImageOptions): Words => ({
  ...{ HEALTH: health, RECOVERY: recovery, USERS: users.join(", "), ENABLE: STARTED[init] },
  ...(base === undefined
    ? {
        ...{ BASE: `{ suite: ${suite}, allowExpired: true }`, KERNEL: `{ flavour: ${kernel} }` },
        ...{ PACKAGES: packages.join(", "), INIT: `init: ${init}`, FILES: init },
      }
    : { ...BASES[base], PACKAGES: "", INIT: "# init: is found", FILES: base === "busybox" ? base : init }),
});
type Words = Readonly<Record<string, string>>;

async function makeFixture(name: string, init: Fixture["init"], images: readonly ImageOptions[]): Promise<Fixture> {
  const tools = await testTools();
  const caller = currentCaller();
  const host: VmHost = { tools, caller, run, folder: join(CACHE, "vm") };
  const key = createHash("sha256")
    .update([tools.id, name, await sourceDigest()].join(" "))
    .digest("hex");
  const folder = join(FOLDER, key.slice(0, 16));
  const [image, slotB = image] = images.map((_, n) => join(folder, imageName(n)));
  const fresh: Fixture = { host, init, image: image!, slotB: slotB!, disk: join(folder, "disk.raw") };
  await mkdir(FOLDER, { recursive: true });
  await dropOld(folder);
  const exists = async (): Promise<boolean> => (await stat(folder).catch(() => undefined)) !== undefined;
  if (await exists()) return fresh;
  await using turns = new AsyncDisposableStack();
  turns.use(await takeTurn(key, 1));
  if (await exists()) return fresh; // another process has built it meanwhile
  turns.use(await takeCore());

  const work = await mkdtemp(join(FOLDER, "work-"));
  try {
    const context: BuildContext = {
      ...{ tools, run, caller, progress: silent, signal: undefined, cacheFolder: CACHE },
      containerTools: async () => await testTools("containers"),
      mediaTools: async () => await testTools("media"),
      ...{ clock: () => performance.now(), random: randomBytes },
    };
    const built = [];
    for (const [n, options] of images.entries()) built.push(await buildImage(join(work, String(n)), options, context));
    const [first, second = first] = built;
    const outDir = join(work, "out");
    await mkdir(outDir);
    const disk = [{ format: "raw", path: join(outDir, "disk.raw") }] as const;
    await diskOfImage({ image: first!.image, slotB: second!.image, work }, disk, context);
    for (const [n, one] of built.entries()) await rename(one.image, join(outDir, imageName(n)));
    await moveInto(outDir, folder);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return fresh;
}

const imageName = (n: number): string => (n === 0 ? "system.img" : `system-${n + 1}.img`);

async function buildImage(
  folder: string,
  options: ImageOptions,
  context: BuildContext,
): Promise<{ image: string; manifest: Manifest }> {
  const words = wordsOf(options);
  await cp(RECIPE, folder, { recursive: true });
  const recipePath = join(folder, "petrify.yaml");
  const recipe = await readFile(recipePath, "utf8");
  await writeFile(
    recipePath,
    recipe.replaceAll(/@([A-Z]+)@/g, (_, word: string) => words[word]!),
  );
  const { base, init = "systemd", packages = [] } = options;
  if (base) await placeBase(base, folder, { init, packages }, context);
  const outDir = join(folder, "out");
  const request = { recipePath, outputs: ["image"], formats: [], outDir, updateLock: false } as const;
  const { image, manifest } = await build(request, context);
  return { image: image!, manifest };
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
