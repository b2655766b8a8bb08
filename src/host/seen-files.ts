import { dirname, join } from "node:path";
import { AppError } from "../core/error.ts";
import { SEEN_FILES_PATH } from "../layout/fstab.ts";
import { folderOf } from "../layout/persistent-folder.ts";
import { encodeSeenFiles, nextSeenFiles, parseSeenFiles, type SeenFiles } from "../layout/seen-files.ts";
import { fileExists, readText } from "./files.ts";
import { digestsOf, factsBelow, hasVanished, layerEntries } from "./layer-walk.ts";
import { persistentFolders } from "./persistent-folders.ts";
import { replaceFile } from "./replace-file.ts";

/**
 * What is known of the image's files at the time they were copied; nothing where nothing has been recorded.
 *
 * @throws AppError `SEEN_FILES_NEWER`, `SEEN_FILES_INVALID`
 */
export async function readSeenFiles(root: string): Promise<SeenFiles> {
  const text = await readText(join(root, SEEN_FILES_PATH)).catch((error: unknown) => {
    if (hasVanished(error)) return undefined;
    throw error;
  });
  return text === undefined ? new Map() : parseSeenFiles(text);
}

/**
 * Records the image's file for every copy that is seen for the first time, and forgets those that are gone.
 *
 * To be called while the image runs that the copies were made from: when a boot is proven, and before another image is booted. A damaged
 * record is begun anew.
 *
 * @param root `/`
 * @returns whether anything was written
 * @throws AppError `SEEN_FILES_NEWER`, `NOT_A_NODE`; NodeJS.ErrnoException when the record cannot be written: the old one then stays
 */
export async function recordSeenFiles(root: string, signal?: AbortSignal): Promise<boolean> {
  const folders = (await persistentFolders(root)).filter(({ mounted }) => mounted);
  if (folders.length === 0 || !(await fileExists(dirname(join(root, SEEN_FILES_PATH))))) return false;
  const seen = await readSeenFiles(root).catch((error: unknown): SeenFiles => {
    if (error instanceof AppError && error.code === "SEEN_FILES_INVALID") return new Map();
    throw error;
  });
  const files = new Map<string, string | undefined>();
  for (const layers of folders) {
    for await (const { path, upper, image } of layerEntries(layers, layers.path, { signal, unreadable: () => {} })) {
      if (typeof upper !== "object" || upper.kind !== "file") continue;
      if (seen.has(path)) files.set(path, undefined);
      else if (image?.kind === "file") {
        const digest = await digestsOf(layers, path, signal)("image").catch(() => undefined);
        if (digest !== undefined) files.set(path, digest);
      }
    }
  }
  const paths = folders.map(({ path }) => path);
  for (const path of seen.keys()) {
    // Not met: unreadable, below a folder that this image does not have, or gone.
    const layers = folders.find((folder) => folder.path === folderOf(path, paths));
    if (!layers || files.has(path)) continue;
    const isThere = await factsBelow(layers.upper, path.slice(layers.path.length)).catch(() => true);
    if (isThere) files.set(path, undefined);
  }
  const next = nextSeenFiles(seen, { folders: paths, files });
  const text = encodeSeenFiles(next);
  if (text === encodeSeenFiles(seen)) return false;
  await replaceFile(join(root, SEEN_FILES_PATH), text, 0o600);
  return true;
}
