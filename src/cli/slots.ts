import type { Command } from "commander";
import { AGENT_SOCKET, type AgentStatus } from "../agent/status.ts";
import { slotsText } from "../agent/status-text.ts";
import { askLocally } from "../host/unix-http.ts";
import type { NodeCli, NodeContext } from "./node-context.ts";

export function registerSlots(program: Command, cli: NodeCli): void {
  program
    .command("slots")
    .summary("what is in each slot, and what boots next")
    .description(
      "Prints a line for each slot: its role, its state, the boots that the loader still grants it, its image, and when it was verified.",
    )
    .addHelpText("after", "\nExamples:\n  petrify slots\n  petrify slots --json | jq .value.slots.b")
    .action(cli.action(slots));
}

async function slots({ output, signal }: NodeContext): Promise<void> {
  for await (const value of askLocally(AGENT_SOCKET, "GET", "/status", signal)) {
    const found = value as AgentStatus;
    const { running, slots: both, next, operation } = found;
    output.result({ running, slots: both, ...(next ? { next } : {}), ...(operation ? { operation } : {}) }, slotsText(found));
  }
}
