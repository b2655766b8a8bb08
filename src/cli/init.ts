import { basename, join, resolve } from "node:path";
import type { Command } from "commander";
import { ImageName } from "../config/words.ts";
import { recipeJsonSchema } from "../config/recipe.ts";
import { AppError } from "../core/error.ts";
import { fileExists, readText, writeText } from "../host/files.ts";
import type { Cli, CliContext } from "./context.ts";

export const RECIPE_FILE = "petrify.yaml";
const SCHEMA_FILE = "petrify.schema.json";

export function registerInit(program: Command, cli: Cli): void {
  program
    .command("init")
    .argument("[folder]", "where to write it; made when it is not there", ".")
    .summary(`write a first recipe, ${RECIPE_FILE}`)
    .description(
      `Writes a commented recipe, ${RECIPE_FILE}, and beside it ${SCHEMA_FILE},\nby which editors complete and check the recipe. A recipe that is there already is left alone.`,
    )
    .addHelpText(
      "after",
      "\nExamples:\n  petrify init            # here\n  petrify init my-os      # in the folder my-os, which also names the image",
    )
    .action(cli.action(init));
}

async function init({ cwd, output }: Pick<CliContext, "cwd" | "output">, folder: string): Promise<void> {
  const at = resolve(cwd, folder);
  const recipe = join(at, RECIPE_FILE);
  if (await fileExists(recipe)) {
    throw new AppError("RECIPE_EXISTS", `${recipe} is there already`, {
      hint: "Edit it, or write a new one in another folder: petrify init FOLDER.",
    });
  }
  const name = ImageName.safeParse(basename(at).toLowerCase());
  const template = await readText(join(import.meta.dirname, "templates", RECIPE_FILE));
  await writeSchema(at);
  await writeText(recipe, name.success ? template.replace("\nname: my-os\n", `\nname: ${name.data}\n`) : template);
  output.result({ recipe }, `Wrote ${recipe}.\nNext: petrify build ${folder === "." ? "" : `${folder}/`}${RECIPE_FILE}`);
}

/** The schema goes beside the recipe, so that its reference resolves wherever the folder is copied to. */
export async function writeSchema(folder: string): Promise<void> {
  await writeText(join(folder, SCHEMA_FILE), `${JSON.stringify(recipeJsonSchema(), undefined, 2)}\n`);
}
