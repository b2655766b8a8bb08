import type { Command } from "commander";
import type { Cli } from "../context.ts";
import { sizeCell, textCell } from "./cells.ts";
import { registerLook } from "./look.ts";

/** `petrify -n NODE disks` */
export const registerDisks = (program: Command, cli: Cli): void =>
  registerLook(program, cli, {
    ...{ method: "disks", name: "disks" },
    summary: "disks of machines, and what lies on them",
    description: "Asks machines for their disks and partitions, and for what is made of them.",
    examples: ["petrify -n edge-7 disks", "petrify -n edge-7 disks --json | jq '.value.nodes[0].value.devices[].serial'"],
    heads: ["DEVICE", "TYPE", "SIZE", "CONTENT", "LABEL", "MOUNTED AT", "MODEL", "SERIAL"],
    rows: ({ devices }) =>
      devices.map(({ path, type, size, content, label, mounts, model, serial }) => [
        ...[path, type, sizeCell(size)],
        ...[content, label, mounts.join(", "), model, serial].map(textCell),
      ]),
  });
