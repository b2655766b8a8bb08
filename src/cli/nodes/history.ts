import type { Command } from "commander";
import type { Cli } from "../context.ts";
import { eachNode, showAnswers } from "./each-node.ts";
import { addNodeOptionsTo, type NodeOptions } from "./options.ts";

/** `petrify -n NODE history` */
export function registerNodeHistory(program: Command, cli: Cli): void {
  const command = program
    .command("history")
    .summary("what was done to machines' images, and how it ended")
    .description(
      "Asks machines for the operations on their images, the newest first. --json also has the hint of each, and the end of the\n" +
        "log of a boot that failed; on a machine itself, `petrify history` shows it.",
    );
  addNodeOptionsTo(command)
    .addHelpText(
      "after",
      "\nExamples:\n  petrify --all history\n  petrify -n edge-7 history --json | jq .value.nodes[0].value.operations[0]",
    )
    .action(
      cli.action(async (context, options: NodeOptions) => {
        const answers = await eachNode(context, options, async ({ node }, call) => await node.history({}, call));
        const { historyJson, historyTable } = await import("./shown.ts");
        showAnswers(context, answers, historyJson, historyTable);
      }),
    );
}
