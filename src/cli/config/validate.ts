import type { Command } from "commander";
import { effectiveConfig } from "../../config/machine/merge.ts";
import { pathText, problemText, refusal, type Problem } from "../../config/machine/problems.ts";
import { gunzip } from "../../host/gunzip.ts";
import type { Cli, CliContext } from "../context.ts";
import { FILES } from "./document-bytes.ts";
import { readDocuments } from "./documents.ts";

export function registerConfigValidate(config: Command, cli: Cli): void {
  config
    .command("validate")
    .argument("<file...>", FILES)
    .summary("check machine configs as strictly as a machine does that is told to apply them")
    .description(
      "Checks each document, then what they come to together. Every problem is told with its line and column, the\n" +
        "path of the value, and what was probably meant. A key that is not known is an error. With --json each\n" +
        "problem is an event before the error: origin, line, column, path, message, hint.",
    )
    .addHelpText(
      "after",
      "\nExamples:\n  petrify config validate machine.yaml\n  petrify config validate fleet.yaml site.yaml node-7.yaml\n" +
        "  generate-config | petrify config validate - --json",
    )
    .action(cli.action(validate));
}

async function validate(context: CliContext, files: string[]): Promise<void> {
  const documents = await readDocuments(context, files);
  const problems = [...documents.flatMap((document) => document.problems), ...effectiveConfig(documents, gunzip).problems];
  const notes = documents.flatMap((document) => document.notes);
  for (const note of notes) context.output.event({ type: "note", ...told(note) }, `note: ${problemText(note)}`);
  if (problems.length > 0) {
    for (const problem of problems) context.output.event({ type: "problem", ...told(problem) });
    throw refusal(problems);
  }
  const what = files.length === 1 ? `${files[0]} is` : "The documents are";
  context.output.result({ files, problems: [], notes: notes.map(told) }, `${what} as a machine config should be.`);
}

const told = ({ at, path, message, hint }: Problem) => ({
  ...{ ...at, path: pathText(path), message },
  ...(hint === undefined ? {} : { hint }),
});
