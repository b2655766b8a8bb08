/** Trees of images for tests, from literals. */
import type { ImageTree, TreeNode } from "./image-tree.ts";

/** Path → text, or a link; a path with a slash at its end is a folder. Folders on the way are there by themselves. */
export type FakeFiles = Readonly<Record<string, string | { readonly link: string }>>;

export function fakeTree(files: FakeFiles): ImageTree {
  const nodes = new Map<string, TreeNode>([["/", "folder"]]);
  const texts = new Map<string, string>();
  for (const [name, value] of Object.entries(files)) {
    const path = name.replace(/\/$/, "");
    const parts = path.split("/").slice(1);
    for (let length = 1; length < parts.length; length++) nodes.set(`/${parts.slice(0, length).join("/")}`, "folder");
    nodes.set(path, name.endsWith("/") ? "folder" : typeof value === "string" ? "file" : value);
    if (typeof value === "string") texts.set(path, value);
  }
  return {
    at: (path) => nodes.get(path),
    text: (path) => texts.get(path),
    names: (path) => {
      const folder = path === "/" ? "/" : `${path}/`;
      const inside = [...nodes.keys()].filter((key) => key.startsWith(folder) && key !== folder);
      return inside.map((key) => key.slice(folder.length)).filter((name) => !name.includes("/"));
    },
  };
}
