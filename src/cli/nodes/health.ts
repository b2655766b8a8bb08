import type { Command } from "commander";
import type { Cli } from "../context.ts";
import { eachNode, showAnswers } from "./each-node.ts";
import { addNodeOptionsTo, type NodeOptions } from "./options.ts";

/** `petrify -n NODE health` */
export function registerNodeHealth(program: Command, cli: Cli): void {
  const command = program
    .command("health")
    .summary("health checks of machines, and what each came to")
    .description(
      "Asks machines for their health checks, and for the reason of each that has not passed. Alarms are in `petrify status`.\n" +
        "It ends with 0 also where a machine is not healthy; --json says how each is.",
    );
  addNodeOptionsTo(command)
    .addHelpText(
      "after",
      "\nExamples:\n  petrify --all health\n  petrify -n edge-7 health --json | jq .value.nodes[0].value.state",
    )
    .action(
      cli.action(async (context, options: NodeOptions) => {
        const answers = await eachNode(context, options, async ({ node }, call) => await node.status({}, call));
        const { healthTable, statusJson } = await import("./shown.ts");
        showAnswers(context, answers, (value) => (statusJson(value) as { readonly health?: object }).health ?? {}, healthTable);
      }),
    );
}
