/**
 * `npm run bench`: petrify beside mkosi and beside a plain Debian, and its updates beside those of other tools, on this machine, now.
 *
 * A run of all parts writes their tables into docs/benchmarks.md. Each part is printed when it has been measured.
 */
import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { toolsTree } from "../src/build/tools-tree.ts";
import { plainProgress } from "../src/cli/progress.ts";
import { defaultCacheFolder } from "../src/host/cache-folder.ts";
import { currentCaller } from "../src/host/caller.ts";
import { run } from "../src/host/run.ts";
import type { Tools } from "../src/host/tools.ts";
import { measureApi } from "./api.ts";
import { measureConfig } from "./config.ts";
import type { BenchContext } from "./context.ts";
import { debianTree, type PeerTree } from "./debian-tree.ts";
import { DELTA_PAIRS, measureDeltas, type DeltaPairName } from "./measure-deltas.ts";
import { machineFacts, onlyRun, othersLoad } from "./machine.ts";
import {
  benchFolder,
  measureAgent,
  measureBoots,
  measureBuilds,
  measureInstalls,
  measureSizes,
  measureUpgrades,
} from "./measure.ts";
import { measurePulls } from "./pull.ts";
import { measureSurfaces } from "./surface.ts";
import { markdown, replaceTables, type Report } from "./report.ts";

const TOP = join(import.meta.dirname, "..");
const PAGE = join(TOP, "docs/benchmarks.md");
const PARTS = [
  "builds",
  "boots",
  "agent",
  "upgrades",
  "installs",
  "sizes",
  "pull",
  "config",
  "api",
  "surface",
  "deltas",
] as const;
type Part = (typeof PARTS)[number];

interface Options {
  readonly json?: boolean;
  readonly runs: number;
  readonly boots: number;
  readonly only: readonly Part[];
  readonly pairs: readonly DeltaPairName[];
  readonly image?: string;
}

const count = (text: string): number => {
  if (!/^[1-9]\d?$/.test(text)) throw new InvalidArgumentError("Give a number from 1 to 99.");
  return Number(text);
};
const listOf =
  <Name extends string>(known: readonly Name[]) =>
  (text: string): Name[] => {
    const names = text.split(",") as Name[];
    if (names.some((name) => !known.includes(name))) throw new InvalidArgumentError(`There are ${known.join(", ")}.`);
    return names;
  };
const options = new Command("bench")
  .option("--json", "print the measurements as JSON, one document for each part")
  .option("--runs <n>", "of each build, pull and apply", count, 3)
  .option("--boots <n>", "of each system", count, 5)
  .option("--only <parts>", PARTS.join(", "), listOf(PARTS), [...PARTS])
  .option("--pairs <pairs>", `of images, for deltas: ${DELTA_PAIRS.join(", ")}`, listOf(DELTA_PAIRS), [...DELTA_PAIRS])
  .option("--image <file>", "a system image to be pulled; default: one is built")
  .parse()
  .opts<Options>();

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort(new Error(`ended by ${signal}`)));

const progress = plainProgress({ out: () => {}, err: (text) => void process.stderr.write(text), columns: () => 0 }, () =>
  performance.now(),
);
const caller = currentCaller();
const cache = defaultCacheFolder(process.env);
const folder = benchFolder(cache);
const common = { caller, run, progress, signal: stop.signal };
const tools = await toolsTree({ ...common, folder: join(cache, "tools") });
const trees = new Map<PeerTree, Promise<Tools>>();
const peerTools: BenchContext["peerTools"] = async (name) => {
  const tree = trees.get(name) ?? debianTree(name, { ...common, folder: join(folder, "tools"), tools });
  trees.set(name, tree);
  return await tree;
};
await using scope = new AsyncDisposableStack();
scope.use(await onlyRun(folder));
const context: BenchContext = { ...common, tools, peerTools, folder, random: randomBytes };

const MEASURE = {
  builds: async () => await measureBuilds(options.runs, context),
  boots: async () => await measureBoots(options.boots, context),
  agent: async () => await measureAgent(options.boots, context),
  upgrades: async () => await measureUpgrades(options.boots, context),
  installs: async () => await measureInstalls(options.boots, context),
  sizes: async () => await measureSizes(context),
  pull: async () => await measurePulls(options.runs, options.image, context),
  config: async () => await measureConfig(options.runs, context),
  api: async () => await measureApi(options.runs, context),
  surface: async () => await measureSurfaces(context),
  deltas: async () => await measureDeltas(options.pairs, context),
} as const;

const TITLES = {
  builds: "Builds",
  boots: "Boot to multi-user",
  agent: "The agent",
  upgrades: "An upgrade",
  installs: "An installation",
  sizes: "Size",
  pull: "A pull",
  config: "Machine configs",
  api: "The API",
  surface: "What an attacker finds",
  deltas: "Deltas",
} as const;
const tables: string[] = [];
for (const name of PARTS.filter((part) => options.only.includes(part))) {
  const load = `${Math.round((await othersLoad()) * 100)} % just before`;
  const report: Report = {
    date: `${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC`,
    command: ["npm run bench", ...(process.argv.length > 2 ? ["--", ...process.argv.slice(2)] : [])].join(" "),
    machine: { ...machineFacts(), "CPU in use by others": load },
    ...{ comparisons: [], stages: [], sizes: [], counts: [], deltas: [], notes: [] },
    ...(await MEASURE[name]()),
    versions: await versions(),
  };
  const text = `### ${TITLES[name]}\n\n${markdown(report)}`;
  tables.push(text);
  process.stdout.write(options.json ? `${JSON.stringify({ part: name, ...report })}\n` : `${text}\n`);
}
if (tables.length === PARTS.length && options.pairs.length === DELTA_PAIRS.length && options.image === undefined)
  await writeFile(PAGE, replaceTables(await readFile(PAGE, "utf8"), tables.join("\n")));

async function versions(): Promise<Record<string, string>> {
  const first = async (...argv: Parameters<typeof tools.run>): Promise<string> =>
    (await tools.run(...argv)).stdout.split("\n")[0]!;
  const commit = (await run(["git", "-C", TOP, "describe", "--always", "--dirty", "--exclude=*"])).stdout.trim();
  const mkosi = await trees.get("mkosi");
  return {
    Versions: [
      ...[`petrify at ${commit}`, `Node ${process.version}`],
      ...(mkosi ? [(await mkosi.run(["mkosi", "--version"])).stdout.trim()] : []),
      ...[await first(["qemu-system-x86_64", "--version"]), await first(["mkfs.erofs", "--version"])],
    ].join("; "),
  };
}
