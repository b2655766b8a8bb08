/** What the image has at a path, as something that can be laid down: that is how a path is the image's again. */
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import type { TreeEntry } from "../layout/compiled-config.ts";
import { resolveInTree } from "../layout/image-tree.ts";
import { mountedImageTree } from "./image-tree.ts";

/**
 * The image's links are followed inside the image, never by whoever looks.
 *
 * @param root where the image alone is: `/run/petrify/root` of a running system
 * @param deep whether a folder comes with everything below it
 * @returns folders before what is in them; none where the image has nothing there. Devices and sockets are left out
 * @throws NodeJS.ErrnoException
 */
export function imageEntries(root: string, path: string, { deep }: { readonly deep: boolean }): readonly TreeEntry[] {
  const found = resolveInTree(mountedImageTree(root), path, "keep");
  return found?.node === undefined ? [] : entriesAt(join(root, found.path), path, deep);
}

function entriesAt(real: string, path: string, deep: boolean): TreeEntry[] {
  const status = lstatSync(real);
  const mode = status.mode & 0o7777;
  const entry = (what: TreeEntry["what"]): TreeEntry => ({ path, when: "root", owner: `${status.uid}:${status.gid}`, what });
  if (status.isSymbolicLink()) return [entry({ is: "link", to: readlinkSync(real) })];
  if (status.isFile()) return [entry({ is: "file", mode, content: { base64: readFileSync(real).toString("base64") } })];
  if (!status.isDirectory()) return [];
  const below = deep ? readdirSync(real).toSorted() : [];
  return [entry({ is: "folder", mode }), ...below.flatMap((name) => entriesAt(join(real, name), `${path}/${name}`, deep))];
}
