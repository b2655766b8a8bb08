/**
 * @portable The keys of machine configs that an image takes, as its manifest has them: whether it knows what a config says is told before anything of it is
 * fetched. docs/formats/manifest.md
 */
import { MachineDocument } from "./document.ts";
import type { MapTree } from "./tree.ts";
import { keysAt } from "./secrets.ts";

/** Each key of the top level, with the keys within it, spaces between them; empty where it has none, or names of the config's own. */
export type MachineLanguage = Readonly<Record<string, string>>;

let known: MachineLanguage | undefined;
/** Of this version. */
export const machineLanguage = (): MachineLanguage =>
  (known ??= Object.fromEntries(
    Object.keys(MachineDocument.shape).map((key) => [key, [...keysAt([key]), ...keysAt([key, 0])].join(" ")]),
  ));

/** A sound config's: `hostname`, `users.name`. Names of its own are left out. */
export function keysOfConfig(tree: MapTree): string[] {
  const language = machineLanguage();
  const found = new Set<string>();
  for (const [key, { value }] of tree.entries) {
    found.add(key);
    const within = language[key]?.split(" ") ?? [];
    for (const one of value.kind === "list" ? value.items : [value])
      if (one.kind === "map") for (const inner of one.entries.keys()) if (within.includes(inner)) found.add(`${key}.${inner}`);
  }
  return [...found];
}

/** Those of a config that a language has not. What is within one of them is not told again. */
export const unknownKeys = (keys: readonly string[], language: MachineLanguage): string[] =>
  keys.filter((key) => {
    const dot = key.indexOf(".");
    if (dot === -1) return !Object.hasOwn(language, key);
    const top = key.slice(0, dot);
    return Object.hasOwn(language, top) && !language[top]!.split(" ").includes(key.slice(dot + 1));
  });
