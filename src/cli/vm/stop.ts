import { Option, type Command } from "commander";
import { AppError } from "../../core/error.ts";
import { formatDuration, type Seconds } from "../../core/units.ts";
import { wait } from "../../host/wait.ts";
import { stateOf, tellVm } from "../../vm/supervisor-client.ts";
import { lockVm } from "../../vm/vm-lock.ts";
import type { Cli, CliContext } from "../context.ts";
import { timeLimit } from "../machine-options.ts";
import { openStore } from "./store.ts";

interface StopOptions {
  readonly force?: boolean;
  readonly timeout: Seconds;
}

const ASK_EVERY_MS = 200;
/** A system that is still booting does not hear the button. */
const PRESS_EVERY_MS = 10_000;
const DEFAULT_TIMEOUT: Seconds = 120;

const EXAMPLES = `
Examples:
  petrify vm stop web
  petrify vm stop web --timeout 5min
  petrify vm stop web --force --json`;

/** `petrify vm stop NAME`. */
export function registerVmStop(vm: Command, cli: Cli): void {
  vm.command("stop")
    .summary("shut a VM down")
    .description("Presses the power button of a VM and waits until it has shut down. One that does not run is left as it is.")
    .argument("<name>", "the VM")
    .option("--force", "end it at once, as pulling the plug does")
    .addOption(
      new Option("--timeout <time>", "how long it may take to shut down, e.g. 90s, 20min")
        .argParser(timeLimit)
        .default(DEFAULT_TIMEOUT, "2min"),
    )
    .addHelpText("after", EXAMPLES)
    .action(cli.action(stopNamed));
}

async function stopNamed(context: CliContext, name: string, { force, timeout }: StopOptions): Promise<void> {
  const { output, signal, progress } = context;
  const store = openStore(context);
  await store.requireName(name);
  const folder = store.folderOf(name);
  const changed = (await stateOf(folder, signal)) !== undefined;
  if (changed && force) await endVm(name, folder, signal);
  else if (changed) {
    await progress.step(`shut ${name} down`, async () => await shutDown(context, name, folder, timeout));
  }
  output.result({ changed, name }, changed ? `the VM ${name} is stopped` : `the VM ${name} does not run`);
}

/** @throws AppError `VM_STILL_RUNS` */
async function shutDown({ signal, clock }: CliContext, name: string, folder: string, timeout: Seconds): Promise<void> {
  const begun = clock();
  for (let pressed = -Infinity; await stateOf(folder, signal); await wait(ASK_EVERY_MS, signal)) {
    if (clock() - begun >= timeout * 1000) {
      throw new AppError("VM_STILL_RUNS", `the VM ${name} has not shut down within ${formatDuration(timeout)}`, {
        hint: `Look at it with \`petrify vm console ${name}\`, or end it with \`petrify vm stop ${name} --force\`.`,
      });
    }
    if (clock() - pressed < PRESS_EVERY_MS) continue;
    await tellVm(folder, "power-button", signal);
    pressed = clock();
  }
  await untilFree(name, folder, signal);
}

/** Pulls the plug; returns when nothing of the machine is left. */
export async function endVm(name: string, folder: string, signal: AbortSignal): Promise<void> {
  await tellVm(folder, "end", signal);
  await untilFree(name, folder, signal);
}

/** Its process has ended, and not only said so. */
async function untilFree(name: string, folder: string, signal: AbortSignal): Promise<void> {
  await using _ = await lockVm(name, folder, signal);
}
