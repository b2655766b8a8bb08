import type { Command } from "commander";
import type { Cli } from "../context.ts";
import { eachNode, showAnswers } from "./each-node.ts";
import { addNodeOptionsTo, type NodeOptions } from "./options.ts";

/** `petrify -n NODE status` */
export function registerNodeStatus(program: Command, cli: Cli): void {
  const command = program
    .command("status")
    .summary("what runs on machines, and how it does")
    .description(
      "Asks machines what runs on them, and how it does: image, slot, health, alarms, and what changes an image now. On a\n" +
        "machine itself, `petrify status` says more.",
    );
  addNodeOptionsTo(command)
    .addHelpText(
      "after",
      "\nExamples:\n  petrify -n edge-7,edge-8 status\n  petrify -n edge-7 status --json | jq .value.nodes[0].value.health",
    )
    .action(
      cli.action(async (context, options: NodeOptions) => {
        const answers = await eachNode(context, options, async ({ node }, call) => await node.status({}, call));
        const { statusJson, statusTable } = await import("./shown.ts");
        showAnswers(context, answers, statusJson, statusTable);
      }),
    );
}
