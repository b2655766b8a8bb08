import type { Command } from "commander";
import type { Cli } from "../context.ts";
import { sizeCell } from "./cells.ts";
import { registerLook } from "./look.ts";

/** `petrify -n NODE memory` */
export const registerMemory = (program: Command, cli: Cli): void =>
  registerLook(program, cli, {
    ...{ method: "memory", name: "memory", alias: "free" },
    summary: "memory of machines, and what has it",
    description:
      "Asks machines how much memory they have, how much of it could be had without swapping, and what the rest is used for.",
    examples: ["petrify -n edge-7,edge-8 memory", "petrify -n edge-7 memory --json | jq .value.nodes[0].value.available"],
    heads: ["TOTAL", "AVAILABLE", "FREE", "CACHED", "SHARED", "SWAP", "SWAP FREE"],
    rows: ({ total, available, free, cached, shared, swapTotal, swapFree }) => [
      [total, available, free, cached, shared, swapTotal, swapFree].map(sizeCell),
    ],
  });
