import type { Command } from "commander";
import type { Cli } from "../context.ts";
import { timeCell } from "./cells.ts";
import { registerLook } from "./look.ts";

/** `petrify -n NODE time` */
export const registerTime = (program: Command, cli: Cli): void =>
  registerLook(program, cli, {
    ...{ method: "time", name: "time" },
    summary: "clocks of machines, and whether they are right",
    description: "Asks machines what time it is, how they know, and how far off they may be. Times are in UTC.",
    examples: ["petrify --all time", "petrify -n edge-7 time --json | jq .value.nodes[0].value.isSet"],
    heads: ["TIME", "SET", "OFF BY", "HARDWARE CLOCK", "BOOTED", "ZONE"],
    rows: ({ now, isSet, reason, error, hardware, boot, zone }) => [
      [
        ...[timeCell(now), `${isSet ? "yes" : "no"}: ${reason}`],
        error ? `at most ${(Number(error.seconds) * 1000 + error.nanos / 1e6).toFixed(0)} ms` : "-",
        ...[timeCell(hardware), timeCell(boot), zone],
      ],
    ],
  });
