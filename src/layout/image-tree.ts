/** @portable The files of an image, looked at without leaving it: its links are followed inside the image, never by whoever looks. */

/** What lies at a path; a link is told with what it says. */
export type TreeNode = "file" | "folder" | { readonly link: string };

/** Paths are absolute and normal, and no folder on the way to one is a link: {@link resolveInTree} sees to that. */
export interface ImageTree {
  /** The last part is not followed. Devices and sockets count as files. */
  readonly at: (path: string) => TreeNode | undefined;
  /** Of a file, UTF-8; nothing where it cannot be read. */
  readonly text: (path: string) => string | undefined;
  /** In a folder, in any order. */
  readonly names: (path: string) => readonly string[];
}

export interface FoundPath {
  /** None of its folders is a link. */
  readonly path: string;
  /** Nothing: it could be made there. */
  readonly node: TreeNode | undefined;
}

/** As the kernel counts. Source: path_resolution(7) */
const MOST_LINKS = 40;

/**
 * Where a path leads, as a process sees it whose root is the image.
 *
 * @param path absolute and normal
 * @param last whether a link at the very end is followed
 * @returns nothing where there is no such place: a file on the way, links in a circle, `..` after something that is not there
 */
export function resolveInTree(tree: ImageTree, path: string, last: "follow" | "keep"): FoundPath | undefined {
  const waiting = partsOf(path);
  let here: string[] = [];
  let node: TreeNode | undefined = "folder";
  let links = 0;
  while (waiting.length > 0) {
    const part = waiting.shift()!;
    if (part === "..") {
      // What is not there has nothing above it, for the kernel.
      if (node !== "folder") return undefined;
      here.pop();
      continue;
    }
    if (node === "file") return undefined;
    here.push(part);
    if (node === undefined) continue;
    node = tree.at(`/${here.join("/")}`);
    if (typeof node !== "object" || (waiting.length === 0 && last === "keep")) continue;
    if (++links > MOST_LINKS) return undefined;
    here = node.link.startsWith("/") ? [] : here.slice(0, -1);
    waiting.unshift(...partsOf(node.link));
    node = "folder";
  }
  return { path: `/${here.join("/")}`, node };
}

const partsOf = (path: string): string[] => path.split("/").filter((part) => part !== "" && part !== ".");

/** The text of the file that a path leads to, as a process sees it whose root is the image; nothing where there is none. */
export function textAt(tree: ImageTree, path: string): string | undefined {
  const found = resolveInTree(tree, path, "follow");
  return found?.node === "file" ? tree.text(found.path) : undefined;
}

/** The names in the folder that a path leads to, sorted; none where there is none. */
export function namesAt(tree: ImageTree, path: string): readonly string[] {
  const found = resolveInTree(tree, path, "follow");
  return found?.node === "folder" ? tree.names(found.path).toSorted() : [];
}
