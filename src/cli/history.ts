import type { Command } from "commander";
import { historyText } from "../agent/history-text.ts";
import type { OperationStatus } from "../agent/operations/driver.ts";
import type { HistoryEntry } from "../agent/operations/service.ts";
import { AGENT_SOCKET } from "../agent/status.ts";
import { askLocally } from "../host/unix-http.ts";
import type { NodeCli, NodeContext } from "./node-context.ts";

export function registerHistory(program: Command, cli: NodeCli): void {
  program
    .command("history")
    .summary("what was done to this machine's images, and how it ended")
    .description(
      "Prints each operation, the newest first: when, what, why, its image, how long it took, how it ended, and the log of a boot that failed.",
    )
    .addHelpText("after", "\nExamples:\n  petrify history\n  petrify history --json | jq '.value.operations[0]'")
    .action(cli.action(history));
}

async function history({ output, signal }: NodeContext): Promise<void> {
  for await (const value of askLocally(AGENT_SOCKET, "GET", "/history", signal)) {
    const found = value as { readonly now?: OperationStatus; readonly operations: readonly HistoryEntry[] };
    const { now, operations } = found;
    const ended = operations.length > 0 || !now ? [historyText(operations)] : [];
    output.result(found, [...(now ? [`now                  ${now.text}`] : []), ...ended].join("\n\n"));
  }
}
