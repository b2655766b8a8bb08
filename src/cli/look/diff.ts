import type { Command } from "commander";
import type { Cli } from "../context.ts";
import { sizeCell, textCell } from "./cells.ts";
import { registerLook } from "./look.ts";

/** `petrify -n NODE diff` */
export const registerNodeDiff = (program: Command, cli: Cli): void =>
  registerLook(program, cli, {
    ...{ method: "diff", name: "diff", timeoutMs: 120_000 },
    summary: "what persistent folders of machines hold that the image does not",
    description:
      "Compares persistent folders of machines with their running images. On a machine itself, `petrify diff` does so for single\n" +
      "paths, too, and says what the words mean. Takes the role operator.",
    examples: ["petrify -n edge-7,edge-8 diff", "petrify --all diff --json"],
    heads: ["VERDICT", "SIZE", "BELOW", "DIFFERS", "PATH"],
    rows: ({ paths }) =>
      paths.map(({ verdict, stored, below, differs, path }) => [
        ...[verdict, sizeCell(stored), below > 0 ? String(below) : "-", textCell(differs.join(", ")), path],
      ]),
  });
