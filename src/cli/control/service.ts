import type { Command } from "commander";
import { shortLine } from "../../layout/short-line.ts";
import type { ServiceState } from "../../protocol/petrify/v1/control_pb.ts";
import type { Cli } from "../context.ts";
import { eachNode, showAnswers, type Answered } from "../nodes/each-node.ts";
import { addNodeOptionsTo, type NodeOptions } from "../nodes/options.ts";
import { tableText } from "../table.ts";

const ACTIONS = {
  start: ["startService", "start a service of machines", "Starts a service of machines."],
  stop: [
    "stopService",
    "stop a service of machines, until it is started again or they restart",
    "Stops a service of machines, until it is started again or they restart.",
  ],
  restart: [
    "restartService",
    "stop a service of machines where it runs, and start it",
    "Stops a service of machines where it runs, and starts it.",
  ],
} as const;
/** A service may take this long to stop, and to start. Source: systemd-system.conf(5), DefaultTimeoutStopSec */
const LIMIT_MS = 200_000;

/** `petrify -n NODE service start|stop|restart` */
export function registerControlService(program: Command, cli: Cli): void {
  const service = program
    .command("service")
    .summary("start and stop services of machines")
    .description(
      "Services, sockets and timers, other than petrify's own. `petrify -n NODE services` shows them. What is started and\n" +
        "stopped here is forgotten at the next boot: a machine config is what lasts. For operators.",
    )
    .helpCommand(false);
  for (const [action, [method, summary, description]] of Object.entries(ACTIONS)) {
    const command = service.command(action).argument("<name>", "of the service: web is web.service");
    command.summary(summary).description(description);
    addNodeOptionsTo(command)
      .addHelpText("after", `\nExamples:\n  petrify -n edge-7,edge-8 service ${action} web`)
      .action(
        cli.action(async (context, name: string, options: NodeOptions) => {
          const [{ toJson }, { ControlService, ServiceStateSchema }] = await Promise.all([
            import("@bufbuild/protobuf"),
            import("../../protocol/petrify/v1/control_pb.ts"),
          ]);
          const answers = await eachNode(context, options, async ({ client }, { signal }) => {
            const { service: state } = await client(ControlService)[method]({ name }, { signal, timeoutMs: LIMIT_MS });
            return state!;
          });
          showAnswers(context, answers, (state) => toJson(ServiceStateSchema, state), stateTable);
        }),
      );
  }
}

const stateTable = (rows: readonly Answered<ServiceState>[]): string =>
  tableText(
    ["NODE", "SERVICE", "STATE", "CHANGED"],
    rows.map(({ node, value: { name, state, changed } }) => [node, name, state, changed ? "yes" : "no"].map(shortLine)),
  );
