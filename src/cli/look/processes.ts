import type { Command } from "commander";
import type { Cli } from "../context.ts";
import { clockCell, sizeCell, textCell, timeCell } from "./cells.ts";
import { registerLook } from "./look.ts";

/** `petrify -n NODE processes` */
export const registerProcesses = (program: Command, cli: Cli): void =>
  registerLook(program, cli, {
    ...{ method: "processes", name: "processes", alias: "ps" },
    summary: "processes of machines",
    description: "Asks machines for the processes that run, without the kernel's own. The one with the most memory stands first.",
    examples: ["petrify -n edge-7 processes", "petrify -n edge-7 ps --json | jq '.value.nodes[0].value.processes | length'"],
    heads: ["PID", "USER", "STATE", "MEMORY", "CPU TIME", "SINCE", "UNIT", "COMMAND"],
    rows: ({ processes }) =>
      processes
        .toSorted((one, other) => Number(other.memory - one.memory))
        .map(({ pid, uid, user, state, memory, cpuTime, since, unit, argv, name }) => [
          ...[String(pid), user || String(uid), state, sizeCell(memory), clockCell(cpuTime), timeCell(since), textCell(unit)],
          argv.length > 0 ? argv.join(" ") : `[${name}]`,
        ]),
  });
