import type { Command } from "commander";
import { AppError } from "../../core/error.ts";
import { stateOf } from "../../vm/supervisor-client.ts";
import { lockVm } from "../../vm/vm-lock.ts";
import type { Cli, CliContext } from "../context.ts";
import { endVm } from "./stop.ts";
import { openStore } from "./store.ts";

const EXAMPLES = `
Examples:
  petrify vm delete web
  petrify vm delete web --force --json`;

/** `petrify vm delete NAME`. */
export function registerVmDelete(vm: Command, cli: Cli): void {
  vm.command("delete")
    .summary("remove a VM and its disk")
    .description("Removes a VM with its disk and everything on it. One that runs is refused.")
    .argument("<name>", "the VM")
    .option("--force", "end it first, as pulling the plug does, when it runs")
    .addHelpText("after", EXAMPLES)
    .action(cli.action(deleteNamed));
}

async function deleteNamed(context: CliContext, name: string, { force }: { readonly force?: boolean }): Promise<void> {
  const { signal, output } = context;
  const store = openStore(context);
  await store.requireName(name);
  const folder = store.folderOf(name);
  if (await stateOf(folder, signal)) {
    if (!force) {
      throw new AppError("VM_RUNS", `the VM ${name} runs`, {
        hint: `Stop it first: \`petrify vm stop ${name}\`, or add --force.`,
      });
    }
    await endVm(name, folder, signal);
  }
  await using _ = await lockVm(name, folder, signal, 1000);
  await store.remove(name);
  output.result({ changed: true, name }, `the VM ${name} is removed`);
}
