import { Option, type Command } from "commander";
import { PRIORITIES, type LogPriority } from "../../layout/log-priority.ts";
import type { Cli, CliContext } from "../context.ts";
import { followNodes } from "./follow-nodes.ts";
import { addNodeOptionsTo, type NodeOptions } from "./options.ts";

interface DmesgOptions extends NodeOptions {
  readonly follow?: true;
  readonly priority?: LogPriority;
}

/** `petrify -n NODE dmesg` */
export function registerNodeDmesg(program: Command, cli: Cli): void {
  const command = program
    .command("dmesg")
    .summary("what machines' kernels have said in this boot")
    .description(
      "Prints what the kernel of each machine still holds of what it has said since its start, also where there is no\n" +
        "journal. `logs --kernel` has that of earlier boots.",
    );
  addNodeOptionsTo(command)
    .option("-f, --follow", "go on with what is said from now on")
    .addOption(new Option("-p, --priority <level>", "so urgent at least").choices(PRIORITIES))
    .addHelpText("after", "\nExamples:\n  petrify -n edge-7 dmesg --priority warning\n  petrify -n edge-7,edge-8 dmesg --follow")
    .action(cli.action(dmesg));
}

async function dmesg(context: CliContext, options: DmesgOptions): Promise<void> {
  const { follow = false, priority } = options;
  const [{ KernelMessageSchema, LogService }, { toJson }, { kernelText, priorityOf }] = await Promise.all([
    import("../../protocol/petrify/v1/log_pb.ts"),
    import("@bufbuild/protobuf"),
    import("./log-text.ts"),
  ]);
  const request = {
    follow,
    priority: priorityOf(priority),
  };
  await followNodes(context, options, () => ({
    again: false, // the numbers begin anew after a restart
    begin: ({ client }, signal) => client(LogService).dmesg(request, { signal }),
    lines: ({ messages }) =>
      messages.map((message) => ({
        type: "kernel",
        json: toJson(KernelMessageSchema, message) as object,
        text: (isColoured) => kernelText(message, isColoured),
      })),
  }));
}
