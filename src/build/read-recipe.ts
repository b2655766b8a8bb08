import { dirname, join, resolve } from "node:path";
import { AppError } from "../core/error.ts";
import { parseRecipes, readRecipe, type RecipeDocument } from "../config/parse-recipe.ts";
import type { Recipe } from "../config/recipe.ts";
import { fileExists, readText, realPath } from "../host/files.ts";

/** A folder stands for the recipe of this name in it. */
const RECIPE_FILE = "petrify.yaml";
/** More than anybody can follow. */
const MOST = 8;

/**
 * Reads a recipe with those that it extends.
 *
 * @throws AppError `RECIPE_MISSING`, `RECIPE_INVALID`, `RECIPE_CYCLE`
 */
export async function readRecipeFile(path: string): Promise<Recipe> {
  const documents: RecipeDocument[] = [];
  const seen: string[] = [];
  let next: string | undefined = path;
  while (next !== undefined) {
    const file: string = next;
    const from = documents.at(-1)?.extends?.at;
    const text = await readText(file).catch((cause: unknown) => {
      throw from === undefined
        ? new AppError("RECIPE_MISSING", `there is no recipe at ${file}`, {
            hint: "Write one with `petrify init`, or name another.",
            cause,
          })
        : new AppError("RECIPE_MISSING", `${from}: extends: there is no recipe at ${file}`, {
            hint: "Paths are relative to the recipe that names them.",
            cause,
          });
    });
    const real = await realPath(file);
    const before = seen.indexOf(real);
    if (before >= 0) {
      const chain = [...documents.slice(before).map(({ origin }) => origin), file].join(" → ");
      throw new AppError("RECIPE_CYCLE", `${from}: extends: recipes extend each other: ${chain}`, {
        hint: "Take what they share into a recipe that extends none.",
      });
    }
    if (documents.length === MOST) {
      throw new AppError(
        "RECIPE_CYCLE",
        `${from}: extends: this would be the ${MOST + 1}th recipe, and no more than ${MOST} are read`,
        {
          hint: "Merge some of them.",
        },
      );
    }
    seen.push(real);
    const document = readRecipe(text, file, documents.length === 0 ? "" : dirname(file));
    documents.push(document);
    next =
      document.extends && !document.extends.image ? await recipeAt(resolve(dirname(file), document.extends.path)) : undefined;
  }
  return parseRecipes(documents);
}

async function recipeAt(path: string): Promise<string> {
  const inside = join(path, RECIPE_FILE);
  return (await fileExists(inside)) ? inside : path;
}
