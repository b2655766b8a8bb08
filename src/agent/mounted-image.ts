/** What compiling a machine config asks of an image that is mounted. */
import { viewOfImage, type ImageView } from "../config/machine/compile/image-view.ts";
import { mountedImageTree } from "../host/image-tree.ts";
import type { ImageFacts } from "../layout/image-facts.ts";

/**
 * @param root where the image alone is: `/run/petrify/root` of a running system
 * @param architecture as uname(1) says it
 */
export const mountedImage = (
  root: string,
  facts: Pick<ImageFacts, "name" | "version" | "persistent" | "init">,
  architecture: string,
): ImageView => viewOfImage(mountedImageTree(root), facts, architecture);
