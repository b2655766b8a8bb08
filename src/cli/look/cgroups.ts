import { InvalidArgumentError, type Command } from "commander";
import type { Cli } from "../context.ts";
import type { NodeOptions } from "../nodes/options.ts";
import { clockCell, sizeCell } from "./cells.ts";
import { registerLook } from "./look.ts";

interface CgroupsOptions extends NodeOptions {
  readonly depth?: number;
}

/** `petrify -n NODE cgroups` */
export const registerCgroups = (program: Command, cli: Cli): void =>
  registerLook<"cgroups", CgroupsOptions>(program, cli, {
    ...{ method: "cgroups", name: "cgroups" },
    summary: "what slices, services and containers of machines use",
    description:
      "Asks machines what their control groups use, each with everything below it. The one with the most memory stands first.",
    examples: ["petrify -n edge-7 cgroups", "petrify -n edge-7 cgroups --depth 4"],
    options: (command) => command.option("--depth <levels>", "how deep below the root (default: 2)", depthOf),
    request: ({ depth = 0 }) => ({ depth }),
    heads: ["GROUP", "MEMORY", "AT MOST", "TASKS", "CPU TIME", "READ", "WRITTEN", "OUT OF MEMORY"],
    rows: ({ cgroups }) =>
      cgroups
        .toSorted((one, other) => Number((other.memory ?? 0n) - (one.memory ?? 0n)))
        .map(({ path, memory, memoryMax, tasks, cpuTime, readBytes, writtenBytes, oomKills }) => [
          ...[path, sizeCell(memory), sizeCell(memoryMax), tasks === undefined ? "-" : String(tasks), clockCell(cpuTime)],
          ...[sizeCell(readBytes), sizeCell(writtenBytes), oomKills === undefined ? "-" : String(oomKills)],
        ]),
  });

function depthOf(text: string): number {
  if (/^[1-8]$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Write a number from 1 to 8.");
}
