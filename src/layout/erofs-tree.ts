/** @portable All names of an EROFS as paths. */
import { AppError } from "../core/error.ts";
import type { Erofs, ErofsInode } from "./erofs.ts";

export interface TreeNode extends ErofsInode {
  /** Absolute; `/` is the top. */
  readonly path: string;
  /** Of a link. */
  readonly target?: string;
}
const MAX_DEPTH = 1000;
const MAX_NODES = 5_000_000;

export interface ErofsTree {
  /** By path, sorted, the top first. */
  readonly nodes: ReadonlyMap<string, TreeNode>;
  /** Of each folder, by its path: what it holds, sorted. */
  readonly names: ReadonlyMap<string, readonly string[]>;
}

/** @throws AppError `EROFS_INVALID` for one that has no end */
export function erofsTree(fs: Erofs): ErofsTree {
  const nodes = new Map<string, TreeNode>();
  const names = new Map<string, string[]>();
  const folders = new Set<number>();
  const visit = (nid: number, path: string, depth: number): void => {
    const inode = fs.inode(nid);
    nodes.set(path, { ...inode, path, ...(inode.kind === "link" ? { target: fs.target(nid) } : {}) });
    if (nodes.size > MAX_NODES) throw new AppError("EROFS_INVALID", `the file system has more than ${MAX_NODES} names`);
    if (inode.kind !== "folder") return;
    if (folders.has(nid) || depth > MAX_DEPTH) throw new AppError("EROFS_INVALID", `the folder ${path} is one that it lies in`);
    folders.add(nid);
    const below = fs.list(nid).toSorted((a, b) => (a.name < b.name ? -1 : 1));
    names.set(
      path,
      below.map(({ name }) => name),
    );
    for (const { name, nid: child } of below) visit(child, `${path === "/" ? "" : path}/${name}`, depth + 1);
  };
  visit(fs.root, "/", 0);
  return { nodes, names };
}
