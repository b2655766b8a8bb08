import type { JsonSchema } from "../src/config/recipe.ts";

/** The part of JSON Schema that a recipe's table shows. */
interface Described extends JsonSchema {
  readonly description?: string;
  readonly type?: string;
  readonly const?: string;
  readonly enum?: readonly string[];
  readonly default?: unknown;
}

/** A Markdown table of every key, in the order of the schema. */
export function recipeTable(schema: JsonSchema): string {
  return ["| key | value | default | meaning |", "|---|---|---|---|", ...rows(schema, "", new Set())].join("\n");
}

/** @param seen keys that have been listed: the same ones elsewhere are not listed again */
function rows(schema: Described, prefix: string, seen: Set<string>): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, value]) => {
    const at = value as Described;
    const item: Described | undefined = at.items;
    const path = `${prefix}${name}${item?.properties ? "[]" : ""}`;
    const inner = item?.properties ? item : at;
    const keys = JSON.stringify(inner.properties);
    const isNew = !seen.has(keys);
    seen.add(keys);
    const must = schema.required?.includes(name) ? "**required**" : showDefault(at.default);
    return [
      `| \`${path}\` | ${kind(at)} | ${must} | ${at.description ?? ""} |`,
      ...(inner.properties && isNew ? rows(inner, `${path}.`, seen) : []),
    ];
  });
}

const showDefault = (value: unknown): string =>
  value === undefined || JSON.stringify(value) === "{}" ? "" : `\`${typeof value === "string" ? value : JSON.stringify(value)}\``;

function kind({ type, const: only, enum: choices, items }: Described): string {
  if (only !== undefined) return `\`${only}\``;
  if (choices) return choices.map((choice) => `\`${choice}\``).join(", ");
  if (type === "array") return `list${items?.properties ? "" : ` of ${kind(items as Described)}`}`;
  return { object: "mapping", string: "text", integer: "number" }[type ?? ""] ?? type ?? "text";
}
