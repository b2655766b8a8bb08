import type { Command } from "commander";
import type { ApplyMode } from "../../agent/config/work.ts";
import type { NodeCli } from "../node-context.ts";
import { modeOption, MODES } from "./apply.ts";
import { changeConfig, tellResult } from "./change-config.ts";
import { generationNumber } from "./generation-number.ts";

export function registerConfigRollback(config: Command, cli: NodeCli): void {
  config
    .command("rollback")
    .argument("[generation]", "its number, as `petrify config history` says it (default: the one before)", generationNumber)
    .summary("go back to a machine config that this machine had")
    .description(
      "Its documents are compiled for the image that runs, and laid down as by apply. What this image cannot do any more is\n" +
        "left out, and told. Has to be run as root.",
    )
    .addOption(modeOption())
    .addHelpText(
      "after",
      `${MODES}\n\nExamples:\n  petrify config rollback\n  petrify config rollback 12 --mode dry-run\n  petrify config rollback 12 --mode staged --json`,
    )
    .action(
      cli.action(async (context, to: number | undefined, { mode }: { readonly mode: ApplyMode }) => {
        const request = { ...(to === undefined ? {} : { to }), mode };
        tellResult(context, await changeConfig(context, "/config/rollback", request));
      }),
    );
}
