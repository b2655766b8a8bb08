import { createHash, randomBytes } from "node:crypto";
import { glob, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, cp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { agentRuntime } from "../../../src/build/agent-runtime.ts";
import { build } from "../../../src/build/build.ts";
import type { BuildContext } from "../../../src/build/context.ts";
import { diskOfImage } from "../../../src/build/image-disk.ts";
import { silent } from "../../../src/core/progress.ts";
import { currentCaller } from "../../../src/host/caller.ts";
import { fileExists, moveInto } from "../../../src/host/files.ts";
import { run } from "../../../src/host/run.ts";
import type { Tools } from "../../../src/host/tools.ts";
import type { VmHost } from "../../../src/vm/vm.ts";
import { CACHE } from "../../support/cli.ts";
import { linkOrCopy } from "../../support/link-or-copy.ts";
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
  /** Its machines wait for an owner, and get their addresses by DHCP: nobody has given them a config. */
  readonly waits?: boolean;
  /** Scripts of the tests are JavaScript: there may be no shell. */
  readonly node?: boolean;
  /** With `node`. */
  readonly profile?: "sealed";
  /** With `profile`: the recipe's `sealed`, in a line. */
  readonly sealed?: string;
  /** Units that cannot be started. */
  readonly mask?: readonly string[];
  /** Folders that are kept, beside that of every image. */
  readonly persistent?: readonly string[];
}
/** A sealed image, whose machines wait for an owner: there is no other way to them. */
export const SEALED = { node: true, profile: "sealed", waits: true } as const satisfies ImageOptions;

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
  /** Scripts for its agent are JavaScript. */
  readonly node?: boolean;
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
  const known = made.get(name) ?? makeFixture(name, slotA, images);
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
  waits = false,
  node = false,
  profile,
  sealed = "{}",
  mask = [],
  persistent = [],
}: ImageOptions): Words => ({
  ...{ HEALTH: health, RECOVERY: recovery, USERS: users.join(", "), API: `{ maintenance: ${waits} }` },
  ENABLE: [...(node ? [] : [STARTED[init]]), ...(waits ? ["systemd-networkd.service"] : [])].join(", "),
  PROFILE: profile === undefined ? "# profile: open" : `profile: ${profile}`,
  ...{ SEALED: sealed, MASK: mask.join(", "), PERSISTENT: ["/var/lib/test", ...persistent].join(", ") },
  ...(base === undefined
    ? {
        ...{ BASE: `{ suite: ${suite}, allowExpired: true }`, KERNEL: `{ flavour: ${kernel} }` },
        ...{ PACKAGES: packages.join(", "), INIT: `init: ${init}`, FILES: node ? "node" : init },
      }
    : { ...BASES[base], PACKAGES: "", INIT: "# init: is found", FILES: base === "busybox" ? base : init }),
});
type Words = Readonly<Record<string, string>>;

async function makeFixture(
  name: string,
  { init = "systemd", node = false }: ImageOptions,
  images: readonly ImageOptions[],
): Promise<Fixture> {
  const tools = await testTools();
  const caller = currentCaller();
  const host: VmHost = { tools, caller, run, folder: join(CACHE, "vm") };
  const key = await keyOf(tools, name);
  const folder = join(FOLDER, key);
  const [image, slotB = image] = images.map((_, n) => join(folder, imageName(n)));
  const fresh: Fixture = { host, init, node, image: image!, slotB: slotB!, disk: join(folder, "disk.raw") };
  await mkdir(FOLDER, { recursive: true });
  await dropOld(folder);
  const exists = async (): Promise<boolean> => (await stat(folder).catch(() => undefined)) !== undefined;
  if (await exists()) return fresh;
  await using turns = new AsyncDisposableStack();
  turns.use(await takeTurn(key, 1));
  if (await exists()) return fresh; // another process has built it meanwhile
  const context: BuildContext = {
    ...{ tools, run, caller, progress: silent, signal: undefined, cacheFolder: CACHE },
    containerTools: async () => await testTools("containers"),
    mediaTools: async () => await testTools("media"),
    ...{ clock: () => performance.now(), random: randomBytes },
  };
  const built: string[] = [];
  for (const options of images) built.push(await imageOf(options, context));
  const [first, second] = built;
  turns.use(await takeCore());
  await whole(folder, async (work, outDir) => {
    const disk = [{ format: "raw", path: join(outDir, "disk.raw") }] as const;
    await diskOfImage({ image: first!, slotB: second ?? first!, work }, disk, context);
    for (const [n, one] of built.entries()) await linkOrCopy(one, join(outDir, imageName(n)));
  });
  return fresh;
}

/** Its path. Fixtures share an image: built once for a state of the source. */
async function imageOf(options: ImageOptions, context: BuildContext): Promise<string> {
  const key = await keyOf(context.tools, JSON.stringify(options));
  const folder = join(FOLDER, key);
  const path = join(folder, imageName(0));
  await using turns = new AsyncDisposableStack();
  turns.use(await takeTurn(key, 1));
  if (await fileExists(path)) return path;
  turns.use(await takeCore());
  await whole(folder, async (work, outDir) => {
    await rename(await buildImage(join(work, "build"), options, context), join(outDir, imageName(0)));
  });
  return path;
}

/** Makes a folder that is there once it is whole. */
async function whole(folder: string, make: (work: string, outDir: string) => Promise<void>): Promise<void> {
  const work = await mkdtemp(join(FOLDER, "work-"));
  try {
    const outDir = join(work, "out");
    await mkdir(outDir);
    await make(work, outDir);
    await moveInto(outDir, folder);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

const imageName = (n: number): string => (n === 0 ? "system.img" : `system-${n + 1}.img`);

/** Its path, below the folder. */
async function buildImage(folder: string, options: ImageOptions, context: BuildContext): Promise<string> {
  const words = wordsOf(options);
  await cp(RECIPE, folder, { recursive: true });
  // An image has no interpreter of petrify's. This one has a name that no image is searched for.
  if (options.node)
    await linkOrCopy(
      join(await agentRuntime(context, folder), "bin/node"),
      join(folder, "files/node/usr/lib/petrify-test/engine"),
    );
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
  const { image } = await build(request, context);
  return image!;
}

const keyOf = async (tools: Tools, what: string): Promise<string> =>
  createHash("sha256")
    .update([tools.id, what, await sourceDigest()].join(" "))
    .digest("hex")
    .slice(0, 16);

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
    const found = await stat(path).catch(() => undefined); // another process drops them, too
    if (path !== current && found && Date.now() - found.mtimeMs > KEPT_MS) await rm(path, { recursive: true, force: true });
  }
}
