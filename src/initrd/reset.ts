/** @portable Takes out of upper layers what is to be the image's again, before any overlay is mounted. docs/formats/reset-request.md */
import { IMAGE_ROOT, persistentOverlay, RESET_REQUEST_PATH } from "../layout/fstab.ts";
import { folderOf, stepsBelow } from "../layout/persistent-folder.ts";
import { parseResetRequest } from "../layout/reset-request.ts";
import { sentence } from "./failure.ts";
import type { Sys } from "./sys.ts";

const FOLDER = 0o040000;
const TYPE = 0o170000;
/** Nobody but root reaches what was discarded. */
const PRIVATE = 0o700;

/**
 * Does what was requested, once. Each path goes by one rename: a power cut leaves it in its layer, whole, or out of it, and the next boot does
 * the rest. The request is removed before an overlay is mounted, so that nothing that is written from now on can go with it.
 *
 * What cannot be done is said in the log, and not tried again; nor is a request that cannot be read, of whatever format: kept, it would delete
 * at some later boot what nobody thinks of any more.
 *
 * @param folders the image's persistent folders
 * @throws SysError when the request cannot be removed: overlays must not be mounted then
 */
export function applyResets(sys: Sys, folders: readonly string[]): void {
  if (!sys.exists(RESET_REQUEST_PATH)) return;
  for (const path of requested(sys)) {
    try {
      const why = reset(sys, path, folders);
      sys.log(
        why === undefined ? "info" : "error",
        `${path} ${why === undefined ? "is the image's own again" : `is not reset: ${why}`}`,
      );
    } catch (error) {
      sys.log("error", `${path} is not reset: ${sentence(error)}`);
    }
  }
  sys.sync(); // what has gone stays gone before the request does
  sys.removeTree(RESET_REQUEST_PATH);
  sys.sync();
}

/** Deletes what was taken out of a folder's upper layer, at this boot or at one that was cut short. What cannot be deleted only takes room. */
export function deleteDiscarded(sys: Sys, folder: string): void {
  try {
    sys.removeTree(persistentOverlay(folder).discarded);
  } catch (error) {
    sys.log("error", `what was reset in ${folder} still takes room: ${sentence(error)}`);
  }
}

function requested(sys: Sys): readonly string[] {
  try {
    return parseResetRequest(sys.readText(RESET_REQUEST_PATH));
  } catch (error) {
    sys.log("error", `nothing is reset: ${sentence(error)}`);
    return [];
  }
}

/** @returns why it cannot be, as the rest of a sentence; `undefined` when the path is the image's own */
function reset(sys: Sys, path: string, folders: readonly string[]): string | undefined {
  const folder = folderOf(path, folders);
  if (folder === undefined) return "it is in no persistent folder of this image";
  const { upper, discarded } = persistentOverlay(folder);
  const [own = "", ...above] = stepsBelow(path, folder).toReversed();
  for (const step of above.toReversed()) {
    const at = upper + step;
    if (!sys.exists(at)) return undefined; // nothing was written there
    if ((sys.status(at).mode & TYPE) !== FOLDER) return inImage(sys, path) ? `${folder}${step} hides it` : undefined;
    if (sys.isOpaque(at) && inImage(sys, path)) return `${folder}${step} was made anew`;
  }
  if (!sys.exists(upper + own)) return undefined;
  sys.makeFolder(discarded, PRIVATE);
  sys.rename(upper + own, freeName(sys, discarded));
  return undefined;
}

const inImage = (sys: Sys, path: string): boolean => sys.exists(IMAGE_ROOT + path);

function freeName(sys: Sys, folder: string): string {
  let number = 0;
  while (sys.exists(`${folder}/${number}`)) number++;
  return `${folder}/${number}`;
}
