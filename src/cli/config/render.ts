import type { Command } from "commander";
import { effectiveConfig } from "../../config/machine/merge.ts";
import { requireSound } from "../../config/machine/parse.ts";
import { problemText } from "../../config/machine/problems.ts";
import { renderYaml, shownTree, sourcesOf } from "../../config/machine/render.ts";
import { plain } from "../../config/machine/tree.ts";
import { gunzip } from "../../host/gunzip.ts";
import type { Cli, CliContext } from "../context.ts";
import { FILES } from "./document-bytes.ts";
import { readDocuments } from "./documents.ts";

interface RenderArguments {
  readonly showSecrets?: boolean;
  readonly atBoot?: boolean;
}

export function registerConfigRender(config: Command, cli: Cli): void {
  config
    .command("render")
    .argument("<file...>", FILES)
    .summary("show what machine configs come to together, each value with where it comes from")
    .description(
      "Prints one #cloud-config with a comment behind each value: the file and the line that it comes from. In place\n" +
        "of a secret (a password's hash, a file's content, a token) stands <secret>.",
    )
    .option("--show-secrets", "print secrets, too: what is printed is a config again")
    .option("--at-boot", "leave out what is wrong, and say so, as a machine does when it boots")
    .addHelpText(
      "after",
      "\nExamples:\n  petrify config render fleet.yaml node-7.yaml\n  petrify config render fleet.yaml node-7.yaml --show-secrets > merged.yaml\n" +
        "  petrify config render machine.yaml --json | jq .value.sources",
    )
    .action(cli.action(render));
}

async function render(
  context: CliContext,
  files: string[],
  { showSecrets = false, atBoot = false }: RenderArguments,
): Promise<void> {
  const documents = await readDocuments(context, files);
  if (!atBoot) requireSound(documents);
  const effective = effectiveConfig(documents, gunzip);
  if (!atBoot) requireSound([effective]);
  const problems = [...documents, effective].flatMap((one) => one.problems).map(problemText);
  for (const problem of problems) {
    const event = { type: "left-out", problem };
    context.output.event(event, `left out: ${problem}`);
  }
  const options = { showSecrets };
  const tree = shownTree(effective.tree, options);
  context.output.result(
    { config: plain(tree), sources: sourcesOf(tree), problems },
    renderYaml(effective.tree, options).trimEnd(),
  );
}
