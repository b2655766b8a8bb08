/** @portable From YAML text to a checked recipe; every problem names its place. */
import { isMap, isNode, isPair, isScalar, LineCounter, parseDocument, type Document } from "yaml";
import type { z } from "zod";
import { AppError } from "../core/error.ts";
import { nearest } from "./nearest.ts";
import { Recipe, recipeJsonSchema, type JsonSchema } from "./recipe.ts";

type Path = readonly PropertyKey[];
interface Problem {
  /** Offset in the text. */
  readonly offset: number;
  readonly message: string;
  readonly hint?: string;
}

const MAX_LENGTH = 1024 * 1024;
const SHOWN = 10;

/**
 * Reads a recipe. Pure: the text is already there, and no file that it names is looked at.
 *
 * @param origin how the text is called in errors, usually the path of its file
 * @throws AppError `RECIPE_INVALID`: up to ten problems, one a line, each `origin:line:column: path: what is wrong`
 */
export function parseRecipe(text: string, origin: string): Recipe {
  if (text.length > MAX_LENGTH)
    throw new AppError("RECIPE_INVALID", `${origin}: a recipe of more than 1 MiB is not read`, {
      hint: "Put large data in files, and name these under `files`.",
    });
  const lines = new LineCounter();
  const { document, value } = readYaml(text, lines, origin);
  const parsed = Recipe.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.flatMap((issue) => describe(issue, document));
  throw invalid(problems, lines, origin, parsed.error);
}

function readYaml(text: string, lines: LineCounter, origin: string): { document: Document; value: unknown } {
  let document: Document;
  let value: unknown;
  try {
    document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true, version: "1.2" });
    if (document.errors.length + document.warnings.length === 0) value = document.toJS({ maxAliasCount: 100 });
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
    throw invalid([{ offset: broken.pos[0], message }], lines, origin, broken);
  }
  if (value === null || value === undefined) {
    throw new AppError("RECIPE_INVALID", `${origin}: the recipe is empty`, { hint: "Write a first one with `petrify init`." });
  }
  return { document, value };
}

function invalid(problems: readonly Problem[], lines: LineCounter, origin: string, cause: unknown): AppError {
  const sorted = problems.toSorted((a, b) => a.offset - b.offset);
  const shown = sorted.slice(0, SHOWN).map(({ offset, message }) => {
    const { line, col } = lines.linePos(offset);
    return `${origin}:${line || 1}:${col || 1}: ${message}`;
  });
  if (sorted.length > SHOWN) shown.push(`… and ${sorted.length - SHOWN} more`);
  const hint = sorted.find((problem) => problem.hint)?.hint ?? "Every key is explained in docs/recipe.md.";
  return new AppError("RECIPE_INVALID", shown.join("\n"), { hint, cause });
}

function describe(issue: z.core.$ZodIssue, document: Document): Problem[] {
  if (issue.code === "unrecognized_keys") {
    const known = Object.keys(schemaAt(issue.path).properties ?? {});
    return issue.keys.map((key) => {
      const meant = nearest(key, known);
      return {
        offset: keyOffset(document, issue.path, key),
        message: `${dotted([...issue.path, key])}: is not a key of a recipe`,
        hint: meant ? `Did you mean ${dotted([...issue.path, meant])}?` : `Keys here: ${known.join(", ")}.`,
      };
    });
  }
  const value = document.getIn(issue.path.slice());
  const path = dotted(issue.path);
  const offset = offsetOf(document, issue.path);
  if (issue.code === "invalid_type" || issue.code === "invalid_value") {
    if (value === undefined && issue.path.length > 0) {
      return [{ offset, message: `${path}: is missing`, hint: `Add ${path}${example(issue)}.` }];
    }
    if (issue.code === "invalid_type" && issue.expected === "string" && typeof value === "number") {
      return [{ offset, message: `${path}: must be text`, hint: `Put it in quotes: "${sourceOf(document, issue.path)}".` }];
    }
    const found = value === null ? "nothing" : isMap(value) ? "a mapping" : isNode(value) ? "a list" : JSON.stringify(value);
    return [{ offset, message: `${path}: must be ${expected(issue)}, found ${found}`, ...guess(issue, value) }];
  }
  return [{ offset, message: `${path}: ${issue.message}` }];
}

type TypeIssue = z.core.$ZodIssueInvalidType | z.core.$ZodIssueInvalidValue;
const KINDS: Readonly<Record<string, string>> = {
  ...{ array: "a list", tuple: "a list", object: "a mapping" },
  ...{ string: "text", int: "a whole number" },
};
const expected = (issue: TypeIssue): string =>
  issue.code === "invalid_value" ? issue.values.map(String).join(" or ") : (KINDS[issue.expected] ?? `a ${issue.expected}`);
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

const dotted = (path: Path): string =>
  path.length === 0
    ? "(top level)"
    : path.map((key, i) => (typeof key === "number" ? `[${key}]` : `${i > 0 ? "." : ""}${String(key)}`)).join("");

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
