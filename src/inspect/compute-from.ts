import type { Bytes } from "../core/units.ts";
import type { ImageTree as LayoutTree } from "../layout/image-tree.ts";
import { textOf, type ImageTree } from "./image-tree.ts";

/**
 * What is computed from the files of an image.
 *
 * Whoever computes asks for texts at once, and reading takes its time: what was asked for is read, and it is computed again, until nothing is missing.
 *
 * @param longest a larger file is not read: it counts as one that cannot be
 */
export async function computeFrom<T>(image: ImageTree, longest: Bytes, compute: (tree: LayoutTree) => T): Promise<T> {
  const texts = new Map<string, string | undefined>();
  for (;;) {
    const missing = new Set<string>();
    const result = compute({
      at: (path) => {
        const node = image.nodes.get(path);
        if (node?.target !== undefined) return { link: node.target };
        return node && (node.kind === "folder" ? "folder" : "file");
      },
      names: (path) => image.names(path),
      text: (path) => {
        if (!texts.has(path)) missing.add(path);
        return texts.get(path);
      },
    });
    if (missing.size === 0) return result;
    for (const path of missing) {
      const isRead = (image.nodes.get(path)?.size ?? 0) <= longest;
      texts.set(path, isRead ? await textOf(image, path, longest) : undefined);
    }
  }
}
