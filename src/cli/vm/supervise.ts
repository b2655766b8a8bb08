import { join } from "node:path";
import { Option, type Command } from "commander";
import { sayFailed, sayReady } from "../../host/background.ts";
import { currentPid } from "../../host/caller.ts";
import type { AcceleratorChoice } from "../../vm/kvm.ts";
import type { Accelerator } from "../../vm/options.ts";
import { superviseVm } from "../../vm/supervisor.ts";
import { toolsOf, type Cli, type CliContext } from "../context.ts";
import { openStore } from "./store.ts";

/** The command line that `petrify vm start` runs in the background, after the program's name. */
export const superviseArgs = (name: string, cacheFolder: string, { accelerator, reason }: AcceleratorChoice): string[] => [
  ...["vm", "supervise", name, "--accelerator", accelerator, "--reason", reason, "--cache", cacheFolder, "--json"],
];

/** `petrify vm supervise NAME`: no command for people. */
export function registerVmSupervise(vm: Command, cli: Cli): void {
  vm.command("supervise <name>", { hidden: true })
    .addOption(new Option("--accelerator <name>").choices(["kvm", "tcg"]).makeOptionMandatory())
    .requiredOption("--reason <sentence>")
    .action(cli.action(superviseNamed));
}

async function superviseNamed(
  context: CliContext,
  name: string,
  choice: { readonly accelerator: Accelerator; readonly reason: string },
): Promise<void> {
  const { cacheFolder, caller, run, clock, signal, output } = context;
  try {
    const store = openStore(context);
    await store.requireName(name);
    const tools = await toolsOf(context);
    const exit = await superviseVm(
      { tools, caller, run, folder: join(cacheFolder, "vm") },
      { name, folder: store.folderOf(name), choice, pid: currentPid(), clock, signal, onReady: sayReady },
    );
    output.result(exit, `the machine has ended (${exit.reason})`);
  } catch (error) {
    sayFailed(error);
    throw error;
  }
}
