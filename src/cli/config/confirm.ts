import type { Command } from "commander";
import type { ConfigAnswers } from "../../agent/config/work.ts";
import { AGENT_SOCKET } from "../../agent/status.ts";
import { askLocally } from "../../host/unix-http.ts";
import type { NodeCli } from "../node-context.ts";

export function registerConfigConfirm(config: Command, cli: NodeCli): void {
  config
    .command("confirm")
    .summary("keep the machine config that is on trial")
    .description(
      "Keeps what `petrify config apply --mode try` has laid down. Where nothing is on trial any more the one before is back,\n" +
        "or it was kept already, and the command fails. Has to be run as root.",
    )
    .addHelpText("after", "\nExamples:\n  petrify config apply --mode try machine.yaml && petrify config confirm")
    .action(
      cli.action(async ({ output, signal }) => {
        for await (const value of askLocally(AGENT_SOCKET, "POST", "/config/confirm", signal)) {
          const { generation } = value as ConfigAnswers["confirm"];
          output.result({ generation, changed: true }, `Machine config ${generation} is kept.`);
        }
      }),
    );
}
