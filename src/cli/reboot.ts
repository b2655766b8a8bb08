import { Option, type Command } from "commander";
import { AGENT_SOCKET } from "../agent/status.ts";
import { askLocally } from "../host/unix-http.ts";
import { targetName } from "../layout/cmdline.ts";
import { BOOT_TARGETS, type BootTarget } from "../layout/slots.ts";
import type { NodeCli, NodeContext } from "./node-context.ts";

export function registerReboot(program: Command, cli: NodeCli): void {
  program
    .command("reboot")
    .summary("restart this machine; what is staged runs then")
    .description(
      "Restarts the machine in good order. With --into the loader boots that slot, or recovery, once; the boot after it is as before.\nHas to be run as root.",
    )
    .addOption(new Option("--into <target>", "what to boot once").choices(BOOT_TARGETS))
    .addHelpText("after", "\nExamples:\n  petrify reboot\n  petrify reboot --into recovery")
    .action(cli.action(reboot));
}

async function reboot({ output, signal }: NodeContext, { into }: { readonly into?: BootTarget }): Promise<void> {
  for await (const _ of askLocally(AGENT_SOCKET, "POST", "/restart", signal, into ? { into } : {})) {
    output.result(
      { restarting: true, ...(into ? { into } : {}) },
      `The machine restarts${into ? ` into ${targetName(into)}` : ""}.`,
    );
  }
}
