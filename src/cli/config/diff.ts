import type { Command } from "commander";
import type { ConfigDifference } from "../../agent/config/work.ts";
import { AGENT_SOCKET } from "../../agent/status.ts";
import { planText } from "../../config/machine/compile/plan-text.ts";
import { askLocally } from "../../host/unix-http.ts";
import type { NodeCli } from "../node-context.ts";
import { generationNumber } from "./generation-number.ts";

export function registerConfigDiff(config: Command, cli: NodeCli): void {
  config
    .command("diff")
    .argument("[from]", "number of a machine config (default: the one before)", generationNumber)
    .argument("[to]", "number of another (default: the one that this slot boots with)", generationNumber)
    .summary("say what differs between two machine configs that this machine has had")
    .description(
      "Prints what differs on the machine, what going from one to the other does in which order, and what needs a reboot.\n" +
        "Only names are printed, no contents: those may be secret. Has to be run as root.",
    )
    .addHelpText(
      "after",
      "\nExamples:\n  petrify config diff\n  petrify config diff 12\n  petrify config diff 12 9 --json | jq .value.changes",
    )
    .action(
      cli.action(async ({ output, signal }, from: number | undefined, to: number | undefined) => {
        const request = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
        for await (const value of askLocally(AGENT_SOCKET, "POST", "/config/diff", signal, request)) {
          const found = value as ConfigDifference;
          const text = found.changes.length === 0 ? "nothing differs" : planText(found).trimEnd();
          output.result({ ...found, differs: found.changes.length > 0 }, `from ${found.from} to ${found.to}\n${text}`);
        }
      }),
    );
}
