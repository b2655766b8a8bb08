import type { Command } from "commander";
import { AGENT_SOCKET, type AgentStatus } from "../agent/status.ts";
import { statusText } from "../agent/status-text.ts";
import { askLocally } from "../host/unix-http.ts";
import type { NodeCli, NodeContext } from "./node-context.ts";

/** `petrify status` on a machine. */
export function registerStatus(program: Command, cli: NodeCli): void {
  program
    .command("status")
    .summary("what runs on this machine, and how it does")
    .description(
      "Prints what the agent of this machine knows: slot, role, state and tries, image, health, what the machine has to do without, and boots that failed and why.",
    )
    .addHelpText("after", "\nExamples:\n  petrify status\n  petrify status --json | jq .value.health")
    .action(cli.action(status));
}

async function status({ output, signal }: NodeContext): Promise<void> {
  for await (const value of askLocally(AGENT_SOCKET, "GET", "/status", signal)) {
    const found = value as AgentStatus;
    output.result(found, statusText(found));
  }
}
