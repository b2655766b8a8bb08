import type { Command } from "commander";
import type { Cli } from "../context.ts";
import { sizeCell } from "./cells.ts";
import { registerLook } from "./look.ts";

/** `petrify -n NODE usage PATH` */
export const registerUsage = (program: Command, cli: Cli): void =>
  registerLook(program, cli, {
    ...{ method: "usage", name: "usage", alias: "du", takesPath: true, timeoutMs: 120_000 },
    summary: "room that a folder of machines takes",
    description:
      "Asks machines how much room a folder takes on its file system, by what lies directly in it: the largest first. What is\n" +
      "mounted in it does not count. After 200,000 files nobody looks further. Takes the role operator.",
    examples: ["petrify -n edge-7 usage /var/log", "petrify -n edge-7,edge-8 du /srv"],
    heads: ["SIZE", "FILES", "NAME"],
    rows: ({ bytes, files, cut, parts }) => [
      [sizeCell(bytes), String(files), cut ? "all that was looked at: there is more" : "all of it"],
      ...parts.map((part) => [sizeCell(part.bytes), String(part.files), part.name]),
    ],
  });
