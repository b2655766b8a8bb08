import type { Command } from "commander";
import type { Pressure } from "../../protocol/petrify/v1/system_pb.ts";
import type { Cli } from "../context.ts";
import { percentCell, spanCell } from "./cells.ts";
import { registerLook } from "./look.ts";

/** `petrify -n NODE load` */
export const registerLoad = (program: Command, cli: Cli): void =>
  registerLook(program, cli, {
    ...{ method: "load", name: "load", alias: "uptime" },
    summary: "how much work machines have, and how long it waits",
    description:
      "Asks machines for the load averages of the last minute, five and fifteen minutes, and in which part of the last minute\n" +
      "something has waited for a processor, for memory, or for a disk.",
    examples: ["petrify -n edge-7,edge-8 load", "petrify -n edge-7 load --json | jq .value.nodes[0].value.memory.some60"],
    heads: ["1 MIN", "5 MIN", "15 MIN", "CPUS", "TASKS", "CPU WAITS", "MEMORY WAITS", "DISK WAITS", "UP"],
    rows: ({ one, five, fifteen, processors, tasks, cpu, memory, io, uptime }) => [
      [
        ...[one, five, fifteen].map((average) => average.toFixed(2)),
        ...[processors, tasks].map(String),
        ...[cpu, memory, io].map(waits),
        spanCell(uptime),
      ],
    ],
  });

const waits = (pressure: Pressure | undefined): string => (pressure ? percentCell(pressure.some60) : "-");
