import assert from "node:assert/strict";
import type { RunResult } from "../../src/host/run.ts";

/** How many tasks of a run ended in which way, by the line that it ends with. */
export function ansibleCounts({ stdout }: Pick<RunResult, "stdout">, host: string): Readonly<Record<string, number>> {
  const [, counts] = new RegExp(`^${host} +: (.*)$`, "m").exec(stdout) ?? assert.fail(stdout);
  return Object.fromEntries([...counts!.matchAll(/(\w+)=(\d+)/g)].map(([, name, count]) => [name!, Number(count)]));
}
