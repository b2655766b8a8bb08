import type { Command } from "commander";
import { AGENT_SOCKET } from "../agent/status.ts";
import { askLocally } from "../host/unix-http.ts";
import { followOperation } from "./follow-operation.ts";
import type { NodeCli, NodeContext } from "./node-context.ts";

export function registerRollback(program: Command, cli: NodeCli): void {
  program
    .command("rollback")
    .summary("make the other slot the active one again, and restart into it")
    .description(
      "Verifies the image in the other slot, makes it the active one and restarts. Only a slot that has been healthy once is gone back to.\nHas to be run as root.",
    )
    .option("--stage", "do not restart: the other slot runs after the next restart")
    .addHelpText("after", "\nExamples:\n  petrify rollback\n  petrify rollback --stage --json")
    .action(cli.action(rollback));
}

async function rollback(context: NodeContext, { stage }: { readonly stage?: boolean }): Promise<void> {
  await followOperation(context, askLocally(AGENT_SOCKET, "POST", "/rollback", context.signal, { restart: stage !== true }));
}
