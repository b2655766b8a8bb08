import type { Command } from "commander";
import type { Cli } from "../context.ts";
import type { NetbootFor } from "../run.ts";
import { registerServeNetboot } from "./netboot.ts";

/** `petrify serve`: what machines are given by this one. */
export function registerServe(program: Command, cli: Cli, netbootFor: NetbootFor): void {
  const serve = program
    .command("serve")
    .summary("serve images to other machines")
    .description("Serves images to other machines, until Ctrl-C.")
    .helpCommand(false)
    .addHelpText("after", "\nExamples:\n  petrify serve netboot out/my-os-0.1.0.netboot");
  registerServeNetboot(serve, cli, netbootFor);
}
