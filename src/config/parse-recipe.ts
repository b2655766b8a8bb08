/** @portable From YAML text to a checked recipe; every problem names its place. */
import { isMap, isNode, isPair, isScalar, LineCounter, parseDocument, type Document } from "yaml";
import type { z } from "zod";
import { AppError } from "../core/error.ts";
import { baseFromTop } from "./base.ts";
import { dotted, expected, type Path } from "./issue-text.ts";
import { mergeRecipes, type Merged } from "./merge-recipes.ts";
import { nearest } from "./nearest.ts";
import { Recipe, recipeJsonSchema, type JsonSchema } from "./recipe.ts";

interface Problem {
  readonly document: RecipeDocument;
  /** Offset in its text. */
  readonly offset: number;
  readonly message: string;
  readonly hint?: string;
}

/** The text of one recipe, read as YAML and not looked at further. */
export interface RecipeDocument {
  /** How the text is called in errors, usually the path of its file. */
  readonly origin: string;
  /** How to come from the folder of the topmost recipe to this one's; an absolute path, or `""` for the same. */
  readonly folder: string;
  readonly yaml: Document;
  readonly lines: LineCounter;
  readonly value: unknown;
  /** What it extends, and where that is written: `origin:line:column`. */
  readonly extends: { readonly path: string; readonly at: string; readonly image: boolean } | undefined;
}

const MAX_LENGTH = 1024 * 1024;
const SHOWN = 10;

/**
 * Reads a recipe that extends none. Pure: the text is already there, and no file that it names is looked at.
 *
 * @param origin how the text is called in errors, usually the path of its file
 * @throws AppError `RECIPE_INVALID`: up to ten problems, one a line, each `origin:line:column: path: what is wrong`
 */
export const parseRecipe = (text: string, origin: string): Recipe => parseRecipes([readRecipe(text, origin)]);

/** The first half of {@link parseRecipe}. @throws AppError `RECIPE_INVALID` when the text is no YAML */
export function readRecipe(text: string, origin: string, folder = ""): RecipeDocument {
  if (text.length > MAX_LENGTH)
    throw new AppError("RECIPE_INVALID", `${origin}: a recipe of more than 1 MiB is not read`, {
      hint: "Put large data in files, and name these under `files`.",
    });
  const lines = new LineCounter();
  const { document: yaml, value } = readYaml(text, lines, origin);
  const document = { origin, folder, yaml, lines, value, extends: undefined };
  const path = yaml.getIn(["extends"]);
  if (typeof path !== "string" || path === "") return document;
  const at = locate(document, offsetOf(yaml, ["extends"]));
  return { ...document, extends: { path, at, image: path.endsWith(".img") } };
}

/**
 * The second half: a recipe with those that it extends, each by the one before it.
 *
 * Paths of the host come out as seen from the topmost recipe's folder.
 *
 * @throws AppError `RECIPE_INVALID`, each problem with its place in the recipe that it is in
 */
export function parseRecipes(documents: readonly RecipeDocument[]): Recipe {
  const twice = documents.filter((document) => document.extends?.image && document.yaml.has("base"));
  if (twice.length > 0) {
    const message = "base: a recipe that extends an image has that as its base";
    throw invalid(
      twice.map((document) => ({ document, offset: offsetOf(document.yaml, ["base"]), message })),
      undefined,
    );
  }
  const merged = mergeRecipes(documents.map(withImageAsBase));
  const parsed = Recipe.safeParse(merged.value);
  if (!parsed.success) {
    const problems = parsed.error.issues.flatMap((issue) => describe(issue, documents, merged));
    throw invalid(problems, parsed.error);
  }
  const folderOf = (path: Path): string => documents[merged.placeOf(path).recipe]!.folder;
  return fromTop(parsed.data, folderOf);
}

/** What extends an image has it as its base. */
function withImageAsBase({ value, extends: extended }: RecipeDocument): unknown {
  if (!extended?.image || typeof value !== "object" || value === null || "base" in value) return value;
  return { ...value, base: { image: extended.path } };
}

/** The same recipe, with the paths that others wrote as they are reached from the topmost recipe. */
function fromTop(recipe: Recipe, folderOf: (path: Path) => string): Recipe {
  const reach = (folder: string, path: string): string => (folder === "" || path.startsWith("/") ? path : `${folder}/${path}`);
  const files = recipe.files.map((file, i) => ({ ...file, source: reach(folderOf(["files", i, "source"]), file.source) }));
  const baseAt = (base: Recipe["base"], at: Path): Recipe["base"] => baseFromTop(base, (path) => reach(folderOf(at), path));
  const { from } = recipe.kernel;
  const kernel = from === undefined ? recipe.kernel : { ...recipe.kernel, from: baseAt(from, ["kernel", "from"]) };
  const trust = recipe.trust === undefined ? {} : { trust: reach(folderOf(["trust"]), recipe.trust) };
  return { ...recipe, base: baseAt(recipe.base, ["base"]), kernel, files, ...trust };
}

function readYaml(text: string, lines: LineCounter, origin: string): { document: Document; value: unknown } {
  let document: Document;
  let value: unknown;
  try {
    document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true, version: "1.2" });
    if (document.errors.length + document.warnings.length === 0) value = withoutCircle(document.toJS({ maxAliasCount: 100 }));
  } catch (cause) {
    // Nested too deep for the parser's stack, or an alias that unfolds into millions of values.
    throw new AppError("RECIPE_INVALID", `${origin}: is not YAML that can be read: ${(cause as Error).message}`, {
      hint: "Write every value where it belongs, without anchors and aliases.",
      cause,
    });
  }
  const [broken] = [...document.errors, ...document.warnings]; // what follows the first is mostly caused by it
  if (broken) {
    const message = broken.code === "MULTIPLE_DOCS" ? "a second document starts here" : `not YAML: ${broken.message}`;
    const at = { origin, folder: "", yaml: document, lines, value, extends: undefined };
    throw invalid([{ document: at, offset: broken.pos[0], message }], broken);
  }
  if (value === null || value === undefined) {
    throw new AppError("RECIPE_INVALID", `${origin}: the recipe is empty`, { hint: "Write a first one with `petrify init`." });
  }
  return { document, value };
}

/** An anchor may hold itself. @throws Error */
function withoutCircle(value: unknown): unknown {
  try {
    JSON.stringify(value);
  } catch (cause) {
    throw new Error("an anchor that holds itself", { cause });
  }
  return value;
}

const locate = ({ origin, lines }: Pick<RecipeDocument, "origin" | "lines">, offset: number): string => {
  const { line, col } = lines.linePos(offset);
  return `${origin}:${line || 1}:${col || 1}`;
};

function invalid(problems: readonly Problem[], cause: unknown): AppError {
  const documents = [...new Set(problems.map(({ document }) => document))];
  const sorted = documents.flatMap((one) =>
    problems.filter(({ document }) => document === one).toSorted((a, b) => a.offset - b.offset),
  );
  const shown = sorted.slice(0, SHOWN).map(({ document, offset, message }) => `${locate(document, offset)}: ${message}`);
  if (sorted.length > SHOWN) shown.push(`… and ${sorted.length - SHOWN} more`);
  const hint = sorted.find((problem) => problem.hint)?.hint ?? "Every key is explained in docs/recipe.md.";
  return new AppError("RECIPE_INVALID", shown.join("\n"), { hint, cause });
}

/** @param issue its path is that of the merged recipe, which is what people are told; its place is in one of the documents */
function describe(issue: z.core.$ZodIssue, documents: readonly RecipeDocument[], { placeOf }: Merged): Problem[] {
  if (issue.code === "unrecognized_keys") {
    const known = Object.keys(schemaAt(issue.path).properties ?? {});
    return issue.keys.map((key) => {
      const meant = nearest(key, known);
      const place = placeOf([...issue.path, key]);
      const document = documents[place.recipe]!;
      return {
        document,
        offset: keyOffset(document.yaml, place.path.slice(0, -1), key),
        message: `${dotted([...issue.path, key])}: is not a key of a recipe`,
        hint: meant ? `Did you mean ${dotted([...issue.path, meant])}?` : `Keys here: ${known.join(", ")}.`,
      };
    });
  }
  const place = placeOf(issue.path);
  const document = documents[place.recipe]!;
  const value = document.yaml.getIn(place.path.slice());
  const path = dotted(issue.path);
  const at = { document, offset: offsetOf(document.yaml, place.path) };
  if (issue.code === "invalid_type" || issue.code === "invalid_value") {
    if (value === undefined && issue.path.length > 0) {
      return [{ ...at, message: `${path}: is missing`, hint: `Add ${path}${example(issue)}.` }];
    }
    if (issue.code === "invalid_type" && issue.expected === "string" && typeof value === "number") {
      return [{ ...at, message: `${path}: must be text`, hint: `Put it in quotes: "${sourceOf(document.yaml, place.path)}".` }];
    }
    const found = value === null ? "nothing" : isMap(value) ? "a mapping" : isNode(value) ? "a list" : JSON.stringify(value);
    return [{ ...at, message: `${path}: must be ${expected(issue)}, found ${found}`, ...guess(issue, value) }];
  }
  return [{ ...at, message: `${path}: ${issue.message}` }];
}

type TypeIssue = z.core.$ZodIssueInvalidType | z.core.$ZodIssueInvalidValue;
const example = (issue: TypeIssue): string => (issue.code === "invalid_value" ? `: ${String(issue.values[0])}` : "");
function guess(issue: TypeIssue, value: unknown): { hint?: string } {
  if (value === null && issue.code === "invalid_type") return { hint: "Remove the key, or write [] or {} for none." };
  if (issue.code !== "invalid_value" || typeof value !== "string") return {};
  const meant = nearest(value, issue.values.map(String));
  return meant ? { hint: `Did you mean ${meant}?` } : {};
}

function schemaAt(path: Path): JsonSchema {
  let schema: JsonSchema = recipeJsonSchema();
  for (const key of path) schema = (typeof key === "number" ? schema.items : schema.properties?.[String(key)]) ?? {};
  return schema;
}

/** Offset of the value at `path`, or of the nearest value around it when it is missing. */
function offsetOf(document: Document, path: Path): number {
  for (let length = path.length; length >= 0; length--) {
    const node = length === 0 ? document.contents : document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return 0;
}

function keyOffset(document: Document, path: Path, key: string): number {
  const map = path.length === 0 ? document.contents : document.getIn(path.slice(), true);
  const pair = isMap(map) ? map.items.find((item) => isPair(item) && isScalar(item.key) && item.key.value === key) : undefined;
  return (isScalar(pair?.key) ? pair.key.range?.[0] : undefined) ?? offsetOf(document, path);
}

/** As it was written: `0644` is the number 644 by now. */
function sourceOf(document: Document, path: Path): string {
  const node = document.getIn(path.slice(), true);
  return isScalar(node) ? (node.source ?? String(node.value)) : "";
}
