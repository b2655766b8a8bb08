import type { Command } from "commander";
import { effectiveConfig } from "../../config/machine/merge.ts";
import { pathText, problemText, refusal, type Problem } from "../../config/machine/problems.ts";
import { unsupportedError } from "../../config/machine/compile/compile-config.ts";
import type { NodeConfig } from "../../config/machine/node-config.ts";
import { updateNotes } from "../../config/updates/notes.ts";
import { gunzip } from "../../host/gunzip.ts";
import type { Manifest } from "../../release/manifest.ts";
import type { Cli, CliContext } from "../context.ts";
import { FILES } from "./document-bytes.ts";
import { readDocuments } from "./documents.ts";
import { openNamedImage } from "../inspect-context.ts";
import { compileFor } from "./compile-for.ts";

export function registerConfigValidate(config: Command, cli: Cli): void {
  config
    .command("validate")
    .argument("<file...>", FILES)
    .option("--image <image>", "and for this system image: what it cannot do of the config is an error")
    .summary("check machine configs as strictly as a machine does that is told to apply them")
    .description(
      "Checks each document, then what they come to together. Every problem is told with its line and column, the\n" +
        "path of the value, and what was probably meant. A key that is not known is an error. With --json each\n" +
        "problem is an event before the error: origin, line, column, path, message, hint. With --image the config is\n" +
        "compiled for that image, as a machine does that runs it: a time zone that it does not know, a shell or a\n" +
        "service that it has not are told now, and not by the machine.",
    )
    .addHelpText(
      "after",
      "\nExamples:\n  petrify config validate machine.yaml\n  petrify config validate fleet.yaml site.yaml node-7.yaml\n" +
        "  petrify config validate machine.yaml --image out/my-os-0.1.0.img\n" +
        "  generate-config | petrify config validate - --json",
    )
    .action(cli.action(validate));
}

interface ValidateOptions {
  readonly image?: string;
}

async function validate(context: CliContext, files: string[], { image }: ValidateOptions): Promise<void> {
  const documents = await readDocuments(context, files);
  const effective = effectiveConfig(documents, gunzip);
  const problems = [...documents.flatMap((document) => document.problems), ...effective.problems];
  const notes = documents.flatMap((document) => document.notes);
  for (const note of notes) context.output.event({ type: "note", ...told(note) }, `note: ${problemText(note)}`);
  if (problems.length > 0) {
    for (const problem of problems) context.output.event({ type: "problem", ...told(problem) });
    throw refusal(problems);
  }
  for (const message of effective.config.updates ? updateNotes(effective.config.updates, context.now()) : [])
    context.output.event({ type: "note", ...{ message } }, `note: updates: ${message}`);
  const what = files.length === 1 ? `${files[0]} is` : "The documents are";
  const result = { files, problems: [], notes: notes.map(told) };
  if (image === undefined) return context.output.result(result, `${what} as a machine config should be.`);
  const { name, version } = await validateFor(image, effective.config, context);
  context.output.result(
    { ...result, image: { name, version } },
    `${what} as a machine config should be, and ${name} ${version} can do all of it.`,
  );
}

/** @throws AppError `CONFIG_UNSUPPORTED` */
async function validateFor(file: string, config: NodeConfig, context: CliContext): Promise<Manifest> {
  await using image = await openNamedImage(file, context);
  const compilation = await context.progress.step("compile for the image", async () => await compileFor(config, image));
  const { unsupported, notes } = compilation;
  for (const message of notes) context.output.event({ type: "note", ...{ message } }, `note: ${message}`);
  for (const { key: path, problem: message, hint } of unsupported)
    context.output.event({ type: "problem", ...{ path, message }, ...(hint === undefined ? {} : { hint }) });
  const refused = unsupportedError(compilation);
  if (refused) throw refused;
  return image.manifest;
}

const told = ({ at, path, message, hint }: Problem) => ({
  ...{ ...at, path: pathText(path), message },
  ...(hint === undefined ? {} : { hint }),
});
