/** @portable A document as values that know where they were written: what is checked, merged and shown. */
import type { Path } from "../issue-text.ts";

/** Lines and columns from 1. */
export interface Place {
  readonly origin: string;
  readonly line: number;
  readonly column: number;
}
export type Scalar = string | number | boolean | null;
export type Tree = {
  readonly at: Place;
  /** As it was written in its document: another spelling, or another form. */
  readonly path: Path;
} & (
  | { readonly kind: "scalar"; readonly value: Scalar; /** As it stands there. */ readonly source?: string }
  | { readonly kind: "list"; readonly items: readonly Tree[] }
  | { readonly kind: "map"; readonly entries: ReadonlyMap<string, Entry> }
);
export interface Entry {
  /** Of the key. */
  readonly at: Place;
  readonly value: Tree;
}
export type MapTree = Extract<Tree, { readonly kind: "map" }>;

/** The same without places. */
export function plain(tree: Tree): unknown {
  if (tree.kind === "scalar") return tree.value;
  if (tree.kind === "list") return tree.items.map(plain);
  return Object.fromEntries(Array.from(tree.entries, ([key, { value }]) => [key, plain(value)]));
}

export function child(tree: Tree, key: PropertyKey): Tree | undefined {
  if (tree.kind === "map") return tree.entries.get(String(key))?.value;
  return tree.kind === "list" && typeof key === "number" ? tree.items[key] : undefined;
}

/** What is at a path; of one that is not there, the nearest thing around it, and how far it goes. */
export function nearestTo(tree: Tree, path: Path): { readonly tree: Tree; readonly depth: number } {
  let found = tree;
  for (const [depth, key] of path.entries()) {
    const next = child(found, key);
    if (!next) return { tree: found, depth };
    found = next;
  }
  return { tree: found, depth: path.length };
}

export const emptyMap = (origin: string): MapTree => ({
  kind: "map",
  at: { origin, line: 1, column: 1 },
  path: [],
  entries: new Map(),
});

/** The tree without what is at these paths. Lists close up. */
export function without<T extends Tree>(tree: T, paths: readonly Path[]): T;
export function without(tree: Tree, paths: readonly Path[]): Tree {
  if (paths.length === 0 || tree.kind === "scalar") return tree;
  const gone = new Set(paths.filter((path) => path.length === 1).map((path) => String(path[0])));
  const below = new Map<string, Path[]>();
  for (const [first, ...rest] of paths) {
    if (rest.length === 0 || gone.has(String(first))) continue;
    const list = below.get(String(first)) ?? [];
    list.push(rest);
    below.set(String(first), list);
  }
  const kept = (value: Tree, key: string): Tree => without(value, below.get(key) ?? []);
  if (tree.kind === "list") {
    const items = tree.items.flatMap((item, index) => (gone.has(String(index)) ? [] : [kept(item, String(index))]));
    return { ...tree, items };
  }
  const entries = Array.from(tree.entries)
    .filter(([key]) => !gone.has(key))
    .map(([key, entry]) => [key, { ...entry, value: kept(entry.value, key) }] as const);
  return { ...tree, entries: new Map(entries) };
}
