/**
 * In a root made of an image's files: what applies machine configs, started as the agent starts it. Texts of configs come on its
 * standard input, as a JSON list; a line for each says what it took.
 */
import { text } from "node:stream/consumers";
import { configWork } from "../src/agent/config/work.ts";
import { readText } from "../src/host/files.ts";
import { run } from "../src/host/run.ts";
import { helperProgram } from "../src/layout/own-programs.ts";
import type { ApplyFigures } from "./config-apply.ts";

const TICKS = 100;

/** Seconds. Source: proc_pid_stat(5), cutime and cstime: of processes that were waited for, and theirs */
async function childrensCpu(): Promise<number> {
  // What stands before the third field may hold blanks.
  const fields = (await readText("/proc/self/stat")).replace(/^.*\) /, "").split(" ");
  return (Number(fields[16 - 3]) + Number(fields[17 - 3])) / TICKS;
}

const work = configWork({ run, program: [helperProgram("config")], outside: [] });
for (const config of JSON.parse(await text(process.stdin)) as readonly string[]) {
  const documents = [{ origin: "bench.yaml", text: config }];
  const [cpu, since] = [await childrensCpu(), performance.now()];
  const { plan, problems } = await work({ do: "apply", documents, mode: "auto" }, new AbortController().signal);
  const seconds = (performance.now() - since) / 1000;
  const figures: ApplyFigures = { seconds, cpu: (await childrensCpu()) - cpu, changes: plan.changes.length, problems };
  process.stdout.write(`${JSON.stringify(figures)}\n`);
}
