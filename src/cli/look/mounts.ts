import type { Command } from "commander";
import type { Cli } from "../context.ts";
import type { NodeOptions } from "../nodes/options.ts";
import { percentCell, sizeCell } from "./cells.ts";
import { registerLook } from "./look.ts";

interface MountsOptions extends NodeOptions {
  readonly empty?: boolean;
}

/** `petrify -n NODE mounts` */
export const registerMounts = (program: Command, cli: Cli): void =>
  registerLook<"mounts", MountsOptions>(program, cli, {
    ...{ method: "mounts", name: "mounts", alias: "df" },
    summary: "what is mounted on machines, and how full it is",
    description: "Asks machines for what is mounted. Shown is what has a size; --json has all of it.",
    examples: ["petrify -n edge-7,edge-8 mounts", "petrify -n edge-7 mounts --empty"],
    options: (command) => command.option("--empty", "also what has no size, such as /proc"),
    heads: ["MOUNTED AT", "TYPE", "SIZE", "AVAILABLE", "USED", "FILES", "SOURCE"],
    rows: ({ mounts }, { empty = false }) =>
      mounts
        .filter(({ size = 0n }) => empty || size > 0n)
        .map(({ point, type, size, available, files, filesFree, readOnly, source }) => [
          ...[point, readOnly ? `${type}, read-only` : type, sizeCell(size), sizeCell(available)],
          ...[usedCell(size, available), usedCell(files, filesFree), source],
        ]),
  });

/** In percent. */
const usedCell = (all: bigint | undefined, free: bigint | undefined): string =>
  all === undefined || free === undefined || all === 0n ? "-" : percentCell(Number(((all - free) * 1000n) / all) / 10);
