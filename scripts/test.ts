/**
 * `npm test`: everything a change has to pass, from a clean clone on; what `.ci/run` runs.
 *
 * With PETRIFY_TEST=full (`npm run test:full`) the long tests run too, and docs/test-report.md says what passed, where and when.
 * Arguments name the stages or files to run, e.g. `npm test -- unit tests/vm/reset.test.ts`.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { glob, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { toolsTree } from "../src/build/tools-tree.ts";
import { plainProgress } from "../src/cli/progress.ts";
import { defaultCacheFolder } from "../src/host/cache-folder.ts";
import { currentCaller } from "../src/host/caller.ts";
import { hostFacts, missingOf, remedies } from "../src/host/requirements.ts";
import { run } from "../src/host/run.ts";
import type { TestRecord } from "./test-reporter.ts";
import { isNamed, testReport, type StageResult } from "./test-report.ts";

const TOP = join(import.meta.dirname, "..");
const full = process.env["PETRIFY_TEST"] === "full";

/** The project's Node and its programs come first. The seed chooses among the tests that do not all run at every change. */
const environment = {
  ...process.env,
  PATH: `${join(TOP, "node_modules/.bin")}${delimiter}${process.env["PATH"] ?? ""}`,
  PETRIFY_TEST_SEED: process.env["PETRIFY_TEST_SEED"] ?? (await commit()).slice(0, 8),
};

/** Static checks first, then what is fast, so that a mistake shows early. */
const STAGES: Readonly<Record<string, () => Promise<readonly TestRecord[]>>> = {
  host: prepareHost,
  types: async () => await program("tsc"),
  format: async () => await program("oxfmt", "--check", "."),
  lint: async () => await program("oxlint", "--deny-warnings", "."),
  unused: async () => await program("knip"),
  tools: bootstrapTools,
  unit: async () => await tests("unit"),
  image: async () => await tests("image"),
  vm: async () => await tests("vm"),
  crash: async () => await tests("crash"),
};

/** The files of a stage, and how many of them run at the same time. */
const FILES: Readonly<Record<string, { readonly atOnce: number; readonly patterns: readonly string[] }>> = {
  unit: {
    atOnce: 2,
    patterns: [
      ...["src/**/*.test.ts", "bench/*.test.ts", "scripts/*.test.ts", "tests/architecture.test.ts", "tests/contract/*.test.ts"],
      "tests/support/*.test.ts",
    ],
  },
  image: { atOnce: 2, patterns: ["tests/grub/*.test.ts", "tests/image/*.test.ts"] },
  // More files than cores: a machine takes its turn (tests/support/turns.ts), and a file with one machine leaves no core idle.
  vm: { atOnce: 3 * availableParallelism(), patterns: ["tests/vm/*.test.ts"] },
  crash: { atOnce: 1, patterns: ["tests/crash/*.test.ts"] },
};
const files = new Map<string, readonly string[]>();
for (const [stage, { patterns }] of Object.entries(FILES)) {
  files.set(stage, (await Array.fromAsync(glob(patterns, { cwd: TOP }))).toSorted());
}

const chosen = process.argv.slice(2);
const isChosen = (stage: string): boolean =>
  chosen.length === 0 || chosen.includes(stage) || files.get(stage)?.some((file) => chosen.includes(file)) === true;
/** All of them unless some are chosen. */
function filesOf(stage: string): readonly string[] {
  const all = files.get(stage) ?? [];
  const some = chosen.includes(stage) ? [] : all.filter((file) => chosen.includes(file));
  return some.length > 0 ? some : all;
}
const known = [...Object.keys(STAGES), ...[...files.values()].flat()];
const unknown = chosen.find((name) => !known.includes(name));
if (unknown !== undefined) {
  process.stderr.write(
    `error: there is no stage and no file of tests ${unknown}\nhint: The stages are ${Object.keys(STAGES).join(", ")}.\n`,
  );
  process.exit(2);
}
const results: StageResult[] = [];
for (const [name, body] of Object.entries(STAGES)) {
  if (!isChosen(name)) continue;
  process.stdout.write(`\n== ${name}\n`);
  const since = performance.now();
  let ok = true;
  let records: readonly TestRecord[] = [];
  try {
    records = await body();
    ok = records.every(({ outcome }) => outcome !== "fail");
  } catch (error) {
    ok = false;
    process.stderr.write(`error: ${(error as Error).message}\n`);
  }
  const seconds = (performance.now() - since) / 1000;
  // A check that is no test file counts as one test, so that the totals tell of it too.
  if (records.every(({ outcome }) => outcome !== "fail") && (!ok || records.length === 0)) {
    records = [...records, { name, file: "", outcome: ok ? "pass" : "fail", ms: Math.round(seconds * 1000) }];
  }
  results.push({ name, ok, seconds, records });
  if (!ok && ["host", "tools"].includes(name)) break; // nothing after it could pass
}
process.stdout.write(`\n${summary(results)}`);
if (full) {
  const path = join(TOP, "docs/test-report.md");
  const there = Object.keys(STAGES).flatMap((name) => (isNamed(name) ? (files.get(name) ?? []) : [name]));
  const report = testReport(
    await readFile(path, "utf8"),
    results.filter(({ name }) => isNamed(name) || filesOf(name).length === (files.get(name)?.length ?? 0)),
    { date: new Date(), commit: await commit(), node: process.version, cores: availableParallelism() },
    { top: TOP, there },
  );
  await writeFile(path, report);
}
process.exitCode = results.every(({ ok }) => ok) ? 0 : 1;

/** What is tested; zeros where that is no clone. */
async function commit(): Promise<string> {
  return await run(["git", "-C", TOP, "rev-parse", "HEAD"]).then(
    ({ stdout }) => stdout.trim(),
    () => "0".repeat(40),
  );
}

/** Installs what is missing, as root (also what the tests as an ordinary user need); an ordinary user is told the commands. */
async function prepareHost(): Promise<readonly TestRecord[]> {
  const caller = currentCaller();
  const ordinary = caller.uid === 0 ? { uid: 1, subordinateIds: true } : {}; // useradd gives the tests' user its ids
  const look = async () => missingOf({ ...(await hostFacts(run, caller, defaultCacheFolder(process.env))), ...ordinary });
  let missing = await look();
  if (caller.uid === 0) {
    for (const argv of remedies(missing)) {
      process.stdout.write(`${argv.join(" ")}\n`);
      await run(argv, { env: { DEBIAN_FRONTEND: "noninteractive" } });
    }
    missing = await look();
  }
  if (missing.length === 0) return [];
  const todo = remedies(missing).map((argv) => argv.join(" "));
  throw new Error(
    `this host lacks ${missing.map(({ what }) => what).join("; ")}${todo.length > 0 ? `\nhint: Run as root: ${todo.join(" && ")}` : ""}`,
  );
}

/** Once, before tests that run at the same time would each make their own. */
async function bootstrapTools(): Promise<readonly TestRecord[]> {
  const folder = join(defaultCacheFolder(process.env), "tools");
  const sinks = { out: () => {}, err: (text: string) => void process.stdout.write(text), columns: () => 0 };
  const progress = plainProgress(sinks, () => performance.now());
  for (const set of ["build", "netboot"] as const) await toolsTree({ folder, caller: currentCaller(), run, progress, set });
  return [];
}

async function program(name: string, ...args: readonly string[]): Promise<readonly TestRecord[]> {
  const child = spawn(join(TOP, "node_modules/.bin", name), args, {
    cwd: TOP,
    env: environment,
    stdio: ["ignore", "inherit", "inherit"],
  });
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`${[name, ...args].join(" ")} ended with status ${code}`);
  return [];
}

async function tests(stage: string): Promise<readonly TestRecord[]> {
  const { atOnce, patterns } = FILES[stage]!;
  const its = filesOf(stage);
  if (its.length === 0) throw new Error(`no test is named like ${patterns.join(" or ")}`);
  const folder = await mkdtemp(join(tmpdir(), "petrify-test-"));
  try {
    const file = join(folder, "records");
    const reporters = ["spec", "stdout", "./scripts/test-reporter.ts", file].map(
      (value, i) => `--test-reporter${i % 2 ? "-destination" : ""}=${value}`,
    );
    const args = ["--disable-warning=ExperimentalWarning", "--test", `--test-concurrency=${atOnce}`, ...reporters, ...its];
    const failed = await program("node", ...args).then(
      () => undefined,
      (error: unknown) => error,
    );
    const records = (await readFile(file, "utf8"))
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as TestRecord);
    // A file that does not load has no failing test of its own.
    if (failed !== undefined && records.every(({ outcome }) => outcome !== "fail")) throw failed;
    return records;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** A line a stage, then the totals as node:test writes them. */
function summary(stages: readonly StageResult[]): string {
  const records = stages.flatMap((stage) => stage.records);
  const count = (outcome: TestRecord["outcome"]): number => records.filter((record) => record.outcome === outcome).length;
  const seconds = stages.reduce((sum, stage) => sum + stage.seconds, 0);
  const lines = stages.map(({ name, ok, seconds: s }) => `${ok ? "✓" : "✗"} ${name.padEnd(8)} ${s.toFixed(1).padStart(7)} s`);
  const totals = { tests: records.length, pass: count("pass"), fail: count("fail"), skipped: count("skip"), todo: count("todo") };
  const ended = Object.entries({ ...totals, duration_ms: Math.round(seconds * 1000) }).map(
    ([name, value]) => `ℹ ${name} ${value}`,
  );
  return `${[...lines, "", ...ended].join("\n")}\n`;
}
