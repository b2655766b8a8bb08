import type { Command } from "commander";
import type { Cli } from "../context.ts";
import { eachNode, showAnswers } from "./each-node.ts";
import { addNodeOptionsTo, type NodeOptions } from "./options.ts";

/** `petrify -n NODE version` */
export function registerNodeVersion(program: Command, cli: Cli): void {
  const command = program
    .command("version")
    .summary("what machines run")
    .description("Asks machines who they are: host name, image, and the petrify that is in it.");
  addNodeOptionsTo(command)
    .addHelpText("after", "\nExamples:\n  petrify -n edge-7 version\n  petrify -n edge-7,192.0.2.8 version --json")
    .action(
      cli.action(async (context, options: NodeOptions) => {
        const answers = await eachNode(context, options, async ({ node }, call) => await node.version({}, call));
        const { versionJson, versionTable } = await import("./shown.ts");
        showAnswers(context, answers, versionJson, versionTable);
      }),
    );
}
