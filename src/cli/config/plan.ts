import type { Command } from "commander";
import type { NodeCli } from "../node-context.ts";
import { changeConfig, tellResult } from "./change-config.ts";
import { FILES, originOption, readDocumentBytes, type OriginOptions } from "./document-bytes.ts";
import { documentTexts } from "./document-texts.ts";

export function registerConfigPlan(config: Command, cli: NodeCli): void {
  config
    .command("plan")
    .argument("[file...]", `${FILES} (default: those of the places in which this machine looks)`)
    .summary("say what applying machine configs would change on this machine")
    .description(
      "Prints what differs from what runs, what would be done about it in which order, and what would need a reboot.\n" +
        "Where the machine is no longer as its config says, as far as that was looked at, that is told, too. Only names are\n" +
        "printed, no contents. Nothing is changed. Has to be run as root.",
    )
    .option("--exit-code", "end with 1 when anything would change")
    .addOption(originOption())
    .addHelpText(
      "after",
      "\nExamples:\n  petrify config plan machine.yaml\n  petrify config plan fleet.yaml node-7.yaml --json | jq .value.plan.actions",
    )
    .action(
      cli.action(
        async (context, files: string[], { exitCode = false, origin }: OriginOptions & { readonly exitCode?: boolean }) => {
          const documents =
            files.length === 0 ? {} : { documents: documentTexts(await readDocumentBytes(context, files, origin)) };
          const result = await changeConfig(context, "/config/apply", { ...documents, mode: "dry-run" });
          tellResult(context, result);
          if (exitCode && result.changed) context.endWith(1);
        },
      ),
    );
}
