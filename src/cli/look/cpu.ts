import { InvalidArgumentError, type Command } from "commander";
import type { Cli } from "../context.ts";
import type { NodeOptions } from "../nodes/options.ts";
import { parseDuration } from "../../core/units.ts";
import { percentCell } from "./cells.ts";
import { registerLook } from "./look.ts";

interface CpuOptions extends NodeOptions {
  readonly watch?: number;
  readonly each?: boolean;
}

/** `petrify -n NODE cpu` */
export const registerCpu = (program: Command, cli: Cli): void =>
  registerLook<"cpu", CpuOptions>(program, cli, {
    ...{ method: "cpu", name: "cpu" },
    summary: "what the processors of machines do",
    description: "Watches the processors of machines for a moment, and says what they did in that time, in percent of it.",
    examples: ["petrify -n edge-7,edge-8 cpu", "petrify -n edge-7 cpu --watch 5s --each"],
    options: (command) =>
      command
        .option("--watch <time>", "for how long, at most 10s (default: 1s)", timeOf)
        .option("--each", "a line for each processor, too"),
    request: ({ watch }) => (watch === undefined ? {} : { watch: { seconds: BigInt(watch) } }),
    heads: ["CPU", "USER", "SYSTEM", "INTERRUPTS", "WAITING", "STOLEN", "IDLE"],
    rows: ({ all, each }, { each: isEach = false }) =>
      [...(all ? [all] : []), ...(isEach ? each : [])].map(({ number, user, system, interrupts, waiting, stolen, idle }) => [
        number === undefined ? `all ${each.length}` : String(number),
        ...[user, system, interrupts, waiting, stolen, idle].map(percentCell),
      ]),
  });

function timeOf(text: string): number {
  const seconds = parseDuration(text);
  if (seconds !== undefined && seconds <= 10) return seconds;
  throw new InvalidArgumentError("Write a time of at most 10s: 5s.");
}
