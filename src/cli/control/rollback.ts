import type { Command } from "commander";
import type { Cli } from "../context.ts";
import { eachNode, showAnswers } from "../nodes/each-node.ts";
import { addNodeOptionsTo, type NodeOptions } from "../nodes/options.ts";
import { followed, outcomeJson, outcomeTable } from "./followed.ts";

interface RollbackOptions extends NodeOptions {
  readonly stage?: boolean;
}

/** `petrify -n NODE rollback` */
export function registerControlRollback(program: Command, cli: Cli): void {
  const command = program
    .command("rollback")
    .summary("make machines run the image in their other slot again")
    .description(
      "Each machine verifies the image in the slot that it does not run, makes it the active one and restarts. Only a slot\n" +
        "that has been healthy once is gone back to. This command waits until the machines run it. For operators.",
    )
    .option("--stage", "do not restart: the other slot runs after the next restart");
  addNodeOptionsTo(command)
    .addHelpText("after", "\nExamples:\n  petrify -n edge-7 rollback\n  petrify -n edge-7,edge-8 rollback --stage --json")
    .action(
      cli.action(async (context, options: RollbackOptions) => {
        const { ControlService } = await import("../../protocol/petrify/v1/control_pb.ts");
        const answers = await eachNode(context, options, async ({ client }, { signal }, called) => {
          const news = client(ControlService).rollback({ stage: options.stage === true }, { signal });
          return await followed(context, news, called);
        });
        showAnswers(context, answers, outcomeJson, outcomeTable);
      }),
    );
}
