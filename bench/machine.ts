import { readFile } from "node:fs/promises";
import { availableParallelism, cpus, totalmem } from "node:os";
import { setTimeout } from "node:timers/promises";
import { formatSize } from "../src/core/units.ts";

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
