/** @portable A recipe that extends others, and these: one value, and where each part of it was written. docs/concepts/extends.md */
import type { Path } from "./issue-text.ts";

/** Where a value was written: which of the recipes, and where in it. */
export interface Place {
  readonly recipe: number;
  readonly path: Path;
}
export interface Merged {
  readonly value: unknown;
  /** Where the value at `path` was written; of one that is not there, where it would be. */
  readonly placeOf: (path: Path) => Place;
}

/** A list that is one value: who names it means all of it. */
const WHOLE = new Set(["base", "recovery.after", "kernel.from"]);
/** What the verbs of the recipe on top say about a unit holds; those below it lose the unit. */
const VERBS = ["enable", "disable", "mask"];

type Mapping = Readonly<Record<string, unknown>>;
const isMapping = (value: unknown): value is Mapping => typeof value === "object" && value !== null && !Array.isArray(value);
/** Keys without the index of a list, which merging changes. */
const keysOf = (path: Path): string => path.filter((key) => typeof key === "string").join(".");

/** A value and the same of its parts: what merging moves around. */
interface Node {
  readonly value: unknown;
  readonly place: Place;
  readonly parts?: ReadonlyMap<PropertyKey, Node>;
}

/**
 * Merges recipes, the one on top first: mappings key by key, lists of names one after the other without repeats, users by their name, other
 * lists one after the other, what lies below first; anything else, and `base`, is that of the topmost recipe that has it.
 *
 * Takes any values: what is not as a recipe should be is found afterwards.
 */
export function mergeRecipes(values: readonly unknown[]): Merged {
  const nodes = values.map((value, recipe) => nodeOf(value, recipe, []));
  const [top, ...below] = nodes.toReversed();
  const merged = below.reduce((under, over) => merge(under, over, []), top!);
  const placeOf = (path: Path): Place => {
    let node = merged;
    for (const [depth, key] of path.entries()) {
      const part = node.parts?.get(key);
      if (!part) return { recipe: node.place.recipe, path: [...node.place.path, ...path.slice(depth)] };
      node = part;
    }
    return node.place;
  };
  return { value: valueOf(merged), placeOf };
}

function nodeOf(value: unknown, recipe: number, path: Path): Node {
  const place = { recipe, path };
  if (!isMapping(value) && !Array.isArray(value)) return { value, place };
  const entries: readonly [PropertyKey, unknown][] = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  const parts = new Map(entries.map(([key, part]) => [key, nodeOf(part, recipe, [...path, key])]));
  return { value, place, parts };
}

function valueOf({ value, parts }: Node): unknown {
  if (!parts) return value;
  if (Array.isArray(value)) return Array.from(parts.values(), valueOf);
  return Object.fromEntries(Array.from(parts, ([key, part]) => [String(key), valueOf(part)]));
}

function merge(under: Node, over: Node, path: Path): Node {
  if (WHOLE.has(keysOf(path))) return over;
  if (isMapping(under.value) && isMapping(over.value)) {
    const parts = new Map(under.parts);
    // A recipe extends what it says itself; what that one extends is known already.
    if (path.length === 0) parts.delete("extends");
    if (keysOf(path) === "units") for (const verb of VERBS) dropOverruled(parts, verb, over);
    for (const [key, part] of over.parts!) {
      const before = parts.get(key);
      parts.set(key, before ? merge(before, part, [...path, key]) : part);
    }
    return { value: over.value, place: over.place, parts };
  }
  if (!Array.isArray(under.value) || !Array.isArray(over.value)) return over;
  const items = [...under.parts!.values()];
  for (const item of over.parts!.values()) {
    const same = items.findIndex((other) => isSame(other, item, keysOf(path)));
    if (same < 0) items.push(item);
    else if (isMapping(item.value)) items[same] = merge(items[same]!, item, [...path, same]);
  }
  return { value: over.value, place: over.place, parts: new Map(items.entries()) };
}

const isSame = ({ value: a }: Node, { value: b }: Node, list: string): boolean =>
  list === "users" ? isMapping(a) && isMapping(b) && a["name"] === b["name"] : typeof b === "string" && a === b;

function dropOverruled(parts: Map<PropertyKey, Node>, verb: string, over: Node): void {
  const below = parts.get(verb);
  if (!below?.parts) return;
  const said = new Set(
    VERBS.flatMap((other) => (other === verb ? [] : Array.from(over.parts!.get(other)?.parts?.values() ?? []))).map(
      ({ value }) => value,
    ),
  );
  const kept = Array.from(below.parts.values()).filter(({ value }) => !said.has(value));
  parts.set(verb, { ...below, parts: new Map(kept.entries()) });
}
