import type { Command } from "commander";
import { AppError } from "../../core/error.ts";
import { untilDetached } from "../../vm/detach-keys.ts";
import { consoleOf } from "../../vm/supervisor-client.ts";
import type { Cli, CliContext } from "../context.ts";
import { typing } from "../typing.ts";
import { openStore } from "./store.ts";

const EXAMPLES = `
What is typed goes to the VM, Ctrl-C too. Ctrl-] leaves the console; the VM goes on.

Examples:
  petrify vm console web
  echo reboot | petrify vm console web
  petrify vm console web --json`;

/** `petrify vm console NAME`. */
export function registerVmConsole(vm: Command, cli: Cli): void {
  vm.command("console")
    .summary("go to a VM's serial console")
    .description("Shows the last lines of a running VM's serial console and what follows, until Ctrl-] or the VM's end.")
    .argument("<name>", "the VM")
    .addHelpText("after", EXAMPLES)
    .action(
      cli.action(async (context: CliContext, name: string) => {
        const store = openStore(context);
        await store.requireName(name);
        const end = await attach(context, name, store.folderOf(name));
        context.output.result({ name, end }, end === "left" ? `the VM ${name} goes on` : `the VM ${name} has ended`);
      }),
    );
}

/**
 * Stays at the console of a VM.
 *
 * @returns why it ended: it was left with Ctrl-], or the machine ended
 * @throws AppError `VM_STOPPED`
 */
export async function attach(context: CliContext, name: string, folder: string): Promise<"left" | "ended"> {
  const { terminal, sinks, output, json, signal } = context;
  await using stream = await consoleOf(folder);
  if (!stream) {
    throw new AppError("VM_STOPPED", `the VM ${name} does not run`, { hint: `Start it: \`petrify vm start ${name}\`.` });
  }
  if (terminal.input.isTTY && !json) sinks.err("Ctrl-] leaves the console.\n");
  stream.onText((text) => {
    const event = { type: "console", text };
    if (json) output.event(event);
    else terminal.output.write(text);
  });
  const left = Promise.withResolvers<"left">();
  const interrupted = Promise.withResolvers<"left">();
  const abort = (): void => interrupted.resolve("left");
  signal.addEventListener("abort", abort, { once: true });
  using _ = typing(context, (typed) => {
    const { text, detach } = untilDetached(typed);
    if (text) stream.send(text);
    if (detach) left.resolve("left");
  });
  try {
    const ended = stream.closed.then(() => "ended" as const);
    const end = await Promise.race([left.promise, interrupted.promise, ended]);
    signal.throwIfAborted();
    return end;
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
