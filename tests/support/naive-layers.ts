/** Layers applied as plainly as can be, one path after the other in one flat map: what a faster way is compared with. */
import { posix } from "node:path";

export interface NaiveMember {
  readonly type: "folder" | "file" | "symlink" | "hardLink";
  readonly name: string;
  readonly target: string;
}
interface Item {
  readonly type: "folder" | "file" | "symlink";
  readonly target: string;
  /** `LAYER/PLACE` of the entry that has the content; none for a folder that only its content tells of. */
  readonly source: string;
}
export type NaiveTree = ReadonlyMap<string, Item>;

class Refused extends Error {}

/** @returns the tree, path by path; nothing where a layer is refused */
export function naiveTree(layers: readonly (readonly NaiveMember[])[]): NaiveTree | undefined {
  const tree = new Map<string, Item>([["", { type: "folder", target: "", source: "" }]]);
  try {
    for (const [index, members] of layers.entries()) apply(tree, members, index);
  } catch (error) {
    if (error instanceof Refused) return undefined;
    throw error;
  }
  return tree;
}

const below = (path: string, folder: string): boolean => path !== folder && (folder === "" || path.startsWith(`${folder}/`));
const nameOf = (path: string): string => posix.basename(path);
const folderOf = (path: string): string => (posix.dirname(path) === "." ? "" : posix.dirname(path));

function removeTree(tree: Map<string, Item>, path: string): void {
  for (const key of [...tree.keys()]) if (key === path || below(key, path)) tree.delete(key);
}

/** The real path of a folder, as realpath(1) in a chroot. */
function real(tree: Map<string, Item>, path: string, make: boolean, stay: ReadonlySet<string> = new Set()): string | undefined {
  let todo = path.split("/").filter((part) => part !== "" && part !== ".");
  let at = "";
  for (let links = 0, literal = ""; todo.length > 0;) {
    const [part, ...rest] = todo as [string, ...string[]];
    if (links === 0) literal = posix.join(literal, part);
    const next = part === ".." ? folderOf(at) : at === "" ? part : `${at}/${part}`;
    const item = tree.get(next);
    todo = rest;
    if (item === undefined) {
      if (!make) return undefined;
      tree.set(next, { type: "folder", target: "", source: "" });
    }
    if (item?.type === "file") throw new Refused();
    if (item?.type === "symlink") {
      if (links === 0 && stay.has(literal)) return undefined;
      if (++links > 40) throw new Refused();
      if (item.target.startsWith("/")) at = "";
      todo = [...item.target.split("/").filter((p) => p !== "" && p !== "."), ...rest];
    } else at = next;
  }
  return at;
}

function apply(tree: Map<string, Item>, members: readonly NaiveMember[], index: number): void {
  const whiteouts = members.filter(({ name }) => nameOf(name).startsWith(".wh."));
  const folders = new Set(members.filter(({ type }) => type === "folder").map(({ name }) => name));
  for (const { name } of whiteouts) {
    const folder = real(tree, folderOf(name), false, folders);
    if (folder === undefined) continue;
    if (nameOf(name) === ".wh..wh..opq") {
      for (const key of [...tree.keys()]) if (below(key, folder)) tree.delete(key);
    } else removeTree(tree, posix.join(folder, nameOf(name).slice(".wh.".length)));
  }
  const own = new Set<string>();
  for (const [place, { type, name, target }] of members.entries()) {
    if (nameOf(name).startsWith(".wh.")) continue;
    const source = `${index}/${place}`;
    const path = posix.join(real(tree, folderOf(name), true)!, nameOf(name));
    const old = tree.get(path);
    const isOwn = own.has(path) || [...own].some((key) => below(key, path));
    const merges = type === "folder" && old?.type === "folder";
    if (old && isOwn && !merges) throw new Refused();
    let item: Item = { type: type === "hardLink" ? "file" : type, target: type === "symlink" ? target : "", source };
    if (type === "hardLink") {
      const folder = real(tree, folderOf(target), false);
      const linked = folder === undefined ? undefined : tree.get(posix.join(folder, nameOf(target)));
      if (!linked || linked.type === "folder") throw new Refused();
      item = linked;
    }
    if (!merges) removeTree(tree, path);
    tree.set(path, item);
    own.add(path);
  }
}
