import { existsSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { availableParallelism, cpus, totalmem } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { AppError } from "../src/core/error.ts";
import { formatSize } from "../src/core/units.ts";
import { writeBytes } from "../src/host/partial-file.ts";

export function machineFacts(): Record<string, string> {
  return {
    Machine: `${cpus()[0]?.model.trim() ?? "unknown"}, ${availableParallelism()} CPUs, ${formatSize(totalmem())} of memory`,
  };
}

const SAMPLE_MS = 3_000;

/** Share of the CPUs, 0 to 1, that is in use while we do nothing: other people's work, which figures suffer from. */
export async function othersLoad(): Promise<number> {
  const before = await cpuTimes();
  await setTimeout(SAMPLE_MS);
  const after = await cpuTimes();
  const total = after.total - before.total;
  return total === 0 ? 0 : 1 - (after.idle - before.idle) / total;
}

/** Source: proc_stat(5): user nice system idle iowait irq softirq steal, in ticks since boot. */
async function cpuTimes(): Promise<{ readonly idle: number; readonly total: number }> {
  const ticks = (await readFile("/proc/stat", "utf8")).split("\n", 1)[0]!.split(/\s+/).slice(1, 9).map(Number);
  return { idle: ticks[3]! + ticks[4]!, total: ticks.reduce((sum, value) => sum + value, 0) };
}

/** Marks the folder as in use for the length of a run. @throws AppError `BENCH_RUNNING`: two at once would measure each other */
export async function onlyRun(folder: string): Promise<AsyncDisposable> {
  const mark = join(folder, "running");
  const other = await readFile(mark, "utf8").catch(() => "");
  if (other !== "" && existsSync(`/proc/${other}`))
    throw new AppError("BENCH_RUNNING", `a benchmark is running already (process ${other})`);
  await writeBytes(mark, String(process.pid));
  return { [Symbol.asyncDispose]: async () => await rm(mark, { force: true }) };
}
