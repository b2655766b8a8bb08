import { Option, type Command } from "commander";
import type { Cli } from "../context.ts";
import { eachNode, showAnswers } from "../nodes/each-node.ts";
import { addNodeOptionsTo, type NodeOptions } from "../nodes/options.ts";
import { outcomeJson, outcomeTable, type Outcome } from "./followed.ts";

interface RebootOptions extends NodeOptions {
  readonly mode: "default" | "recovery";
  /** False with `--no-wait`. */
  readonly wait: boolean;
}

/** `petrify -n NODE reboot` */
export function registerControlReboot(program: Command, cli: Cli): void {
  const command = program
    .command("reboot")
    .summary("restart machines; what is staged runs then")
    .description("Restarts machines in good order, and waits until they answer again. For operators.")
    .addOption(new Option("--mode <mode>", "what boots, once").choices(["default", "recovery"]).default("default"))
    .option("--no-wait", "do not wait until they answer again");
  addNodeOptionsTo(command)
    .addHelpText("after", "\nExamples:\n  petrify -n edge-7 reboot\n  petrify -n edge-7 reboot --mode recovery --no-wait")
    .action(
      cli.action(async (context, options: RebootOptions) => {
        const [{ ControlService }, { BootTarget }, { untilRestarted }, { isLost }] = await Promise.all([
          import("../../protocol/petrify/v1/control_pb.ts"),
          import("../../protocol/petrify/v1/node_pb.ts"),
          import("../../client/follow-operation.ts"),
          import("../../client/open-node.ts"),
        ]);
        const into = options.mode === "recovery" ? BootTarget.RECOVERY : BootTarget.UNSPECIFIED;
        const answers = await eachNode(context, options, async (connection, call, called): Promise<Outcome> => {
          const { boot } = await connection.node.status({}, call);
          await connection
            .client(ControlService)
            .reboot({ into }, call)
            .catch((error: unknown) => {
              // It may be down before its answer is here: another boot is an answer, too.
              const known = called.failure(error);
              if (!options.wait || !isLost(known)) throw known;
            });
          if (!options.wait) return { outcome: "restarts", changed: true };
          await untilRestarted(boot?.id ?? "", { ...called, signal: call.signal });
          return { outcome: "has restarted", changed: true };
        });
        showAnswers(context, answers, outcomeJson, outcomeTable);
      }),
    );
}

/** `petrify -n NODE shutdown` */
export function registerControlShutdown(program: Command, cli: Cli): void {
  const command = program
    .command("shutdown")
    .summary("turn machines off")
    .description("Turns machines off in good order. Nothing turns them on again over the network. For operators.");
  addNodeOptionsTo(command)
    .addHelpText("after", "\nExamples:\n  petrify -n edge-7 shutdown")
    .action(
      cli.action(async (context, options: NodeOptions) => {
        const { ControlService } = await import("../../protocol/petrify/v1/control_pb.ts");
        const answers = await eachNode(context, options, async ({ client }, call): Promise<Outcome> => {
          await client(ControlService).shutdown({}, call);
          return { outcome: "is being turned off", changed: true };
        });
        showAnswers(context, answers, outcomeJson, outcomeTable);
      }),
    );
}
