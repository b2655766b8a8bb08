/** @portable Folders of files of which one hides those of its name in folders after it, as systemd, udev and kmod have them. */
import { namesAt, resolveInTree, type ImageTree } from "./image-tree.ts";

/**
 * The paths that count, in the order of their names; one that is a link to `/dev/null` hides the others and is left out.
 *
 * @param folders the first goes before the others. Source: sysctl.d(5), "Configuration Directories and Precedence"
 */
export function filesByName(tree: ImageTree, folders: readonly string[], suffix: string): readonly string[] {
  const paths = new Map<string, string>();
  for (const folder of folders) {
    for (const name of namesAt(tree, folder)) {
      if (name.endsWith(suffix) && !paths.has(name)) paths.set(name, `${folder}/${name}`);
    }
  }
  return [...paths]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([, path]) => (resolveInTree(tree, path, "follow")?.node === "file" ? [path] : []));
}
