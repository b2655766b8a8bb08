/** What compiling a machine config asks of an image that is mounted. */
import { viewOfImage, type ImageView, type ViewedFacts } from "../config/machine/compile/image-view.ts";
import { AppError } from "../core/error.ts";
import { openDirect } from "../host/direct-read.ts";
import { readText } from "../host/files.ts";
import { mountedImageTree } from "../host/image-tree.ts";
import { mountErofs } from "../host/linux.ts";
import { attachLoop } from "../host/loop-device.ts";
import { sha256 } from "../host/sha256.ts";
import { IMAGE_FACTS_PATH, parseImageFacts } from "../layout/image-facts.ts";
import { findManifest, type FoundManifest } from "../release/verify-image.ts";

/**
 * @param root where the image alone is: `/run/petrify/root` of a running system
 * @param architecture as uname(1) says it
 */
export const mountedImage = (root: string, facts: ViewedFacts, architecture: string): ImageView =>
  viewOfImage(mountedImageTree(root), facts, architecture);

/**
 * An image that does not run, mounted until the scope ends. It was verified: what is read now is not held against its hashes again.
 *
 * @param path of its file
 * @param digest of its manifest
 * @param folder where it is mounted
 * @throws AppError `IMAGE_CHANGED`, `IMAGE_INVALID`, `IMAGE_FACTS_INVALID`; NodeJS.ErrnoException; Error with the kernel's errno
 */
export async function openSlotImage(
  { path, digest, folder }: { readonly path: string; readonly digest: string; readonly folder: string },
  architecture: string,
): Promise<{ readonly view: ImageView } & AsyncDisposable> {
  await using scope = new AsyncDisposableStack();
  const image = await readImage(path);
  if (image.digest !== digest) throw new AppError("IMAGE_CHANGED", `${path} has another image by now`);
  const loop = scope.use(await attachLoop(path, image.parts.root));
  const root = scope.use(await mountErofs(loop.path, folder));
  const facts = parseImageFacts(await readText(root.path + IMAGE_FACTS_PATH));
  const kept = scope.move();
  return { view: mountedImage(root.path, facts, architecture), [Symbol.asyncDispose]: async () => await kept.disposeAsync() };
}

async function readImage(path: string): Promise<FoundManifest> {
  await using file = await openDirect(path);
  return await findManifest(file, sha256);
}
