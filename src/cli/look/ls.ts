import type { Command } from "commander";
import type { Cli } from "../context.ts";
import { modeCell, sizeCell, timeCell } from "./cells.ts";
import { registerLook } from "./look.ts";

/** By the contract's numbers: what ls(1) begins a line with. */
const KINDS = ["?", "-", "d", "l", "b", "p", "s"] as const;

/** `petrify -n NODE ls PATH` */
export const registerLs = (program: Command, cli: Cli): void =>
  registerLook(program, cli, {
    ...{ method: "list", name: "ls", takesPath: true, timeoutMs: 120_000 },
    summary: "what a folder of machines holds",
    description: "Asks machines what is in a folder, with owners, sizes and times. Takes the role operator.",
    examples: ["petrify -n edge-7,edge-8 ls /var/log", "petrify -n edge-7 ls /etc/app.conf --json"],
    heads: ["MODE", "USER", "GROUP", "SIZE", "CHANGED", "NAME"],
    rows: ({ entries }) =>
      entries
        .toSorted((one, other) => (one.name < other.name ? -1 : 1))
        .map(({ kind, mode, user, uid, group, gid, size, modified, name, target }) => [
          `${KINDS[kind] ?? "?"}${modeCell(mode)}`,
          ...[user || String(uid), group || String(gid), sizeCell(size), timeCell(modified)],
          target === "" ? name : `${name} -> ${target}`,
        ]),
  });
