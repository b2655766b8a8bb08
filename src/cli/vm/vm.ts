import type { Command } from "commander";
import type { Cli } from "../context.ts";
import { registerVmConsole } from "./console.ts";
import { registerVmCreate, type VmMakers } from "./create.ts";
import { registerVmDelete } from "./delete.ts";
import { registerVmList } from "./list.ts";
import { registerVmStart } from "./start.ts";
import { registerVmStop } from "./stop.ts";
import { registerVmSupervise } from "./supervise.ts";

/** `petrify vm`: machines with a name, which keep what they write. */
export function registerVm(program: Command, cli: Cli, makers: VmMakers): void {
  const vm = program
    .command("vm")
    .summary("keep virtual machines of images, for trying things")
    .description("Keeps virtual machines that have a name and a disk of their own, and run in the background.")
    .helpCommand(false)
    .addHelpText(
      "after",
      "\nExamples:\n  petrify vm create web out/my-os-0.1.0.img\n  petrify vm start web --console\n  petrify vm list",
    );
  registerVmCreate(vm, cli, makers);
  for (const register of [
    registerVmStart,
    registerVmStop,
    registerVmList,
    registerVmConsole,
    registerVmDelete,
    registerVmSupervise,
  ])
    register(vm, cli);
}
