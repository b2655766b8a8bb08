/** What compiling a machine config asks of an image that is mounted. */
import { imageView, type ImageView } from "../config/machine/compile/image-view.ts";
import { mountedImageTree } from "../host/image-tree.ts";
import type { ImageFacts } from "../layout/image-facts.ts";
import { resolveInTree } from "../layout/image-tree.ts";
import { parseOsRelease } from "../layout/os-release.ts";

/**
 * @param root where the image alone is: `/run/petrify/root` of a running system
 * @param architecture as uname(1) says it
 */
export function mountedImage(
  root: string,
  { name, version, persistent, init }: Pick<ImageFacts, "name" | "version" | "persistent" | "init">,
  architecture: string,
): ImageView {
  const tree = mountedImageTree(root);
  const text = ["/etc/os-release", "/usr/lib/os-release"]
    .map((path) => resolveInTree(tree, path, "follow"))
    .map((found) => (found?.node === "file" ? tree.text(found.path) : undefined))
    .find((found) => found !== undefined);
  const { ID: os = "", VERSION_ID: osVersion = "" } = parseOsRelease(text ?? "");
  // Images of before there was a choice have systemd.
  return imageView({ name, version, persistent, init: init?.kind ?? "systemd", os, osVersion, architecture }, tree);
}
