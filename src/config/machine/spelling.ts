/** @portable Keys as older documents spell them, and keys that ask for nothing. */
import type { Problem } from "./problems.ts";
import { OLD_SPELLINGS, WITHOUT_EFFECT, WITHOUT_EFFECT_WITHIN_USER } from "./refused.ts";
import type { Entry, MapTree, Tree } from "./tree.ts";

/** Where a mapping has keys of its own that are spelled, and no names. */
const USERS = ["user", "users"];

/** The document in today's spelling, without the keys that are without effect. */
export function spelled(tree: MapTree): { readonly tree: MapTree; readonly notes: readonly Problem[] } {
  const notes: Problem[] = [];
  const respell = (map: MapTree, silent: Readonly<Record<string, string>>): MapTree => {
    const entries = new Map<string, Entry>();
    for (const [key, entry] of map.entries) {
      const note = (message: string): unknown => notes.push({ at: entry.at, path: entry.value.path, message });
      const name = Object.hasOwn(OLD_SPELLINGS, key) ? OLD_SPELLINGS[key]! : key;
      if (name !== key && map.entries.has(name)) {
        entries.set(key, entry); // both: an unknown key, then
        continue;
      }
      if (name !== key) note(`is the older spelling of ${name}`);
      if (Object.hasOwn(silent, name)) note(`is without effect: ${silent[name]}`);
      else entries.set(name, entry);
    }
    return { ...map, entries };
  };
  const user = (value: Tree): Tree => (value.kind === "map" ? respell(value, WITHOUT_EFFECT_WITHIN_USER) : value);
  const top = respell(tree, WITHOUT_EFFECT);
  const entries = new Map(top.entries);
  const change = (key: string, by: (value: Tree) => Tree): void => {
    const entry = entries.get(key);
    if (entry) entries.set(key, { ...entry, value: by(entry.value) });
  };
  for (const key of USERS)
    change(key, (value) => (value.kind === "list" ? { ...value, items: value.items.map(user) } : user(value)));
  change("ca_certs", (value) => (value.kind === "map" ? respell(value, {}) : value));
  return { tree: { ...top, entries }, notes };
}
