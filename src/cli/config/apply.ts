import { Option, type Command } from "commander";
import { APPLY_MODES, type ApplyMode } from "../../agent/config/work.ts";
import type { NodeCli } from "../node-context.ts";
import { changeConfig, tellResult } from "./change-config.ts";
import { FILES, originOption, readDocumentBytes, type OriginOptions } from "./document-bytes.ts";
import { documentTexts } from "./document-texts.ts";

export const MODES = `
Modes:
  auto       now, and at each boot; what needs a reboot is told
  staged     from the next boot on; nothing changes now
  try        now, and given back after a minute unless \`petrify config confirm\` is run; a reboot gives it back, too
  no-reboot  as auto, and refused where anything of it needs a reboot
  dry-run    nothing changes: what would is told

A config with other kernel arguments is tried by the next boot, with auto and staged: nothing of it is laid before. It is kept
once that boot is healthy, and given back otherwise; the other modes refuse it.`;

export const modeOption = (): Option => new Option("--mode <mode>", "how").choices(APPLY_MODES).default("auto");

export function registerConfigApply(config: Command, cli: NodeCli): void {
  config
    .command("apply")
    .argument("[file...]", `${FILES} (default: those of the places in which this machine looks)`)
    .summary("make this machine what machine configs say")
    .description(
      "Checks the documents as `petrify config validate` does, compiles them for the image that runs, and lays down what\n" +
        "differs. Nothing is changed where anything of it is wrong, or cannot be done by this image. What an earlier config\n" +
        "made and this one does not mention is removed. The same config again changes nothing.\n" +
        "Has to be run as root.",
    )
    .addOption(modeOption())
    .addOption(originOption())
    .addHelpText(
      "after",
      `${MODES}\n\nExamples:\n  petrify config apply machine.yaml\n  petrify config apply --mode try machine.yaml && ping -c 1 gateway && petrify config confirm\n` +
        "  generate-config | petrify config apply - --origin fleet/node-7.yaml --json | jq .value.changed",
    )
    .action(
      cli.action(async (context, files: string[], { mode, origin }: OriginOptions & { readonly mode: ApplyMode }) => {
        const documents = files.length === 0 ? {} : { documents: documentTexts(await readDocumentBytes(context, files, origin)) };
        tellResult(context, await changeConfig(context, "/config/apply", { ...documents, mode }));
      }),
    );
}
