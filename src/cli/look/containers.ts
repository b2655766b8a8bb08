import type { Command } from "commander";
import type { Cli } from "../context.ts";
import { clockCell, sizeCell, textCell } from "./cells.ts";
import { registerLook } from "./look.ts";

/** `petrify -n NODE containers` */
export const registerContainers = (program: Command, cli: Cli): void =>
  registerLook(program, cli, {
    ...{ method: "containers", name: "containers", alias: "stats" },
    summary: "containers of machines that run, and what they use",
    description: "Asks machines for the containers of podman, Docker, containerd and CRI-O that run, and for what each uses.",
    examples: ["petrify -n edge-7,edge-8 containers", "petrify --all stats --json"],
    heads: ["ID", "NAME", "IMAGE", "RUNTIME", "MEMORY", "AT MOST", "TASKS", "CPU TIME"],
    rows: ({ containers }) =>
      containers.map(({ id, name, image, runtime, use }) => [
        ...[id.slice(0, 12), textCell(name), textCell(image), textCell(runtime), sizeCell(use?.memory), sizeCell(use?.memoryMax)],
        ...[use?.tasks === undefined ? "-" : String(use.tasks), clockCell(use?.cpuTime)],
      ]),
  });
