import { resolve } from "node:path";
import type { Command } from "commander";
import { machineConfigJsonSchema } from "../../config/machine/document.ts";
import { replaceFile } from "../../host/replace-file.ts";
import type { Cli } from "../context.ts";

export function registerConfigSchema(config: Command, cli: Cli): void {
  config
    .command("schema")
    .summary("print the JSON Schema of machine configs, by which editors complete and check them")
    .option("-o, --output <file>", "write it to this file")
    .addHelpText(
      "after",
      "\nExamples:\n  petrify config schema -o machine-config.schema.json\n" +
        "  # in the second line of a config: # yaml-language-server: $schema=./machine-config.schema.json",
    )
    .action(
      cli.action(async (context, { output }: { readonly output?: string }) => {
        const schema = machineConfigJsonSchema();
        const text = JSON.stringify(schema, undefined, 2);
        if (output === undefined) return context.output.result(schema, text);
        const path = resolve(context.cwd, output);
        await replaceFile(path, `${text}\n`);
        context.output.result({ path }, path);
      }),
    );
}
