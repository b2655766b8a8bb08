/** @portable The effective config for people and programs: each value with where it comes from. */
import { parseDocument as parseYaml, stringify, type Document, type Node } from "yaml";
import { dotted, type Path } from "../issue-text.ts";
import { isSecret, MASK } from "./secrets.ts";
import { plain, type Place, type Tree } from "./tree.ts";

export interface RenderOptions {
  readonly showSecrets: boolean;
}

/** `site.yaml:12` */
const sourceText = ({ origin, line }: Place): string => `${origin}:${line}`;

/** The same values, secrets aside. */
export function shownTree(tree: Tree, { showSecrets }: RenderOptions, path: Path = []): Tree {
  if (showSecrets) return tree;
  if (path.length > 0 && isSecret(path)) return { kind: "scalar", at: tree.at, path: tree.path, value: MASK };
  const inner = (value: Tree, key: string | number): Tree => shownTree(value, { showSecrets }, [...path, key]);
  if (tree.kind === "list") return { ...tree, items: tree.items.map((item, index) => inner(item, index)) };
  if (tree.kind === "scalar") return tree;
  const entries = Array.from(tree.entries, ([key, entry]) => [key, { ...entry, value: inner(entry.value, key) }] as const);
  return { ...tree, entries: new Map(entries) };
}

/** As a `#cloud-config` with a comment behind each value. With the secrets in it, it is the same config again. */
export function renderYaml(tree: Tree, options: RenderOptions): string {
  const shown = shownTree(tree, options);
  if (shown.kind === "map" && shown.entries.size === 0) return "#cloud-config\n{}\n";
  const document = parseYaml(stringify(plain(shown), { lineWidth: 0, defaultStringType: "PLAIN" }), { version: "1.2" });
  comment(document, shown, []);
  return `#cloud-config\n${document.toString({ lineWidth: 0 })}`;
}

function comment(document: Document, tree: Tree, path: Path): void {
  if (tree.kind === "map") {
    for (const [key, { value }] of tree.entries) comment(document, value, [...path, key]);
    if (tree.entries.size > 0) return;
  }
  if (tree.kind === "list") {
    for (const [index, value] of tree.items.entries()) comment(document, value, [...path, index]);
    if (tree.items.length > 0) return;
  }
  const node = document.getIn(path.slice(), true) as Node | undefined;
  if (!node) return;
  node.comment = ` ${sourceText(tree.at)}`;
}

/** Where each value comes from, by its path. */
export function sourcesOf(tree: Tree, path: Path = []): Record<string, string> {
  if (tree.kind === "map" && tree.entries.size > 0) {
    return Object.assign({}, ...Array.from(tree.entries, ([key, { value }]) => sourcesOf(value, [...path, key]))) as Record<
      string,
      string
    >;
  }
  if (tree.kind === "list" && tree.items.length > 0) {
    return Object.assign({}, ...tree.items.map((item, index) => sourcesOf(item, [...path, index]))) as Record<string, string>;
  }
  return { [dotted(path)]: sourceText(tree.at) };
}
