import type { JsonSchema } from "../src/config/recipe.ts";

/** The part of JSON Schema that a table of keys shows. */
interface Described extends JsonSchema {
  readonly description?: string;
  readonly type?: string;
  readonly const?: string;
  readonly enum?: readonly string[];
  readonly default?: unknown;
  /** Of a key that is refused. */
  readonly not?: object;
}

/** A Markdown table of every key, in the order of the schema. */
export function keyTable(schema: JsonSchema): string {
  return ["| key | value | default | meaning |", "|---|---|---|---|", ...rows(unfolded(schema), "", new Set())].join("\n");
}

/** With what is said once in the place of each reference to it. */
export function unfolded<T extends object>(schema: T & { readonly definitions?: Readonly<Record<string, object>> }): T {
  const { definitions = {} } = schema;
  const unfold = (_: string, value: unknown): unknown => {
    const { $ref: reference, allOf, ...rest } = (value ?? {}) as { readonly $ref?: string; readonly allOf?: readonly object[] };
    if (reference !== undefined) return { ...definitions[reference.replace("#/definitions/", "")], ...rest };
    // A reference with a description of its own.
    return allOf?.length === 1 ? { ...allOf[0], ...rest } : value;
  };
  return JSON.parse(JSON.stringify(schema), unfold) as T;
}

/** Keys that all mean the same are one line. */
function keysOf({ properties = {} }: Described): readonly (readonly [name: string, value: Described])[] {
  const [first, ...others] = Object.entries(properties);
  const text = JSON.stringify(first?.[1]);
  if (!first || others.length < MANY || others.some(([, other]) => JSON.stringify(other) !== text))
    return Object.entries(properties);
  return [["STAGE", first[1]]];
}
const MANY = 10;

/** @param seen keys that have been listed: the same ones elsewhere are not listed again */
function rows(schema: Described, prefix: string, seen: Set<string>): string[] {
  const taken = keysOf(schema).filter(([, { not }]) => not === undefined);
  return taken.flatMap(([name, at]) => {
    const list = forms(at).find(({ items }) => items !== undefined);
    const item = list && forms(list.items as Described).find(({ properties }) => properties);
    const path = `${prefix}${name}${item ? "[]" : ""}`;
    const inner = item ?? forms(at).find(({ properties }) => properties) ?? at;
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

/** Those that a value may have; itself, where it is one. */
const forms = (schema: Described): readonly Described[] => schema.anyOf?.flatMap((one) => forms(one)) ?? [schema];

const showDefault = (value: unknown): string =>
  value === undefined || JSON.stringify(value) === "{}" ? "" : `\`${typeof value === "string" ? value : JSON.stringify(value)}\``;

function kind(schema: Described): string {
  if (schema.anyOf) return [...new Set(forms(schema).map(kind))].join(" or ");
  const { type, const: only, enum: choices, items } = schema;
  if (only !== undefined) return `\`${only}\``;
  if (choices) return choices.map((choice) => `\`${choice}\``).join(", ");
  if (Array.isArray(items)) return "list";
  if (type === "array" && items) return `list${forms(items).some((one) => one.properties) ? "" : ` of ${kind(items)}`}`;
  return { object: "mapping", string: "text", integer: "number", null: "nothing" }[type ?? ""] ?? type ?? "text";
}
