import { join } from "node:path";
import { AppError } from "../core/error.ts";
import { isMountablePath, persistentOverlay } from "../layout/fstab.ts";
import { mountedUppers } from "../layout/overlay-mounts.ts";
import { folderOf } from "../layout/persistent-folder.ts";
import { parseRunFacts, RUN_FACTS_PATH } from "../layout/run-facts.ts";
import { readText } from "./files.ts";
import type { Layers } from "./layer-walk.ts";

export interface PersistentFolder extends Layers {
  /** Not in a degraded boot: programs then see the image's folder. */
  readonly mounted: boolean;
}

/**
 * The running image's persistent folders, sorted.
 *
 * @param root `/`; tests have a running system in a folder
 * @throws AppError `NOT_A_NODE`, `RUN_FACTS_INVALID`
 */
export async function persistentFolders(root: string): Promise<PersistentFolder[]> {
  const facts = await readText(join(root, RUN_FACTS_PATH)).catch((cause: unknown) => {
    throw new AppError("NOT_A_NODE", `this machine was not booted by petrify: ${RUN_FACTS_PATH} is missing`, {
      hint: "Run it on a node.",
      cause,
    });
  });
  const uppers = mountedUppers(await readText(join(root, "/proc/self/mountinfo")));
  const paths = (parseRunFacts(facts).image?.persistent ?? []).filter(isMountablePath);
  return paths.toSorted().map((path) => {
    const { lower, upper } = persistentOverlay(path);
    const mounted = uppers.get(path) === upper;
    return { path, mounted, merged: join(root, path), lower: join(root, lower), upper: join(root, upper) };
  });
}

/**
 * The folder that a path lies in.
 *
 * @throws AppError `PATH_NOT_PERSISTENT`
 */
export function folderWith(path: string, folders: readonly PersistentFolder[]): PersistentFolder {
  const paths = folders.map((folder) => folder.path);
  const found = folders.find((folder) => folder.path === folderOf(path, paths));
  if (found) return found;
  throw new AppError("PATH_NOT_PERSISTENT", `${path} is not in a persistent folder`, {
    hint: paths.length > 0 ? `Persistent folders of this image: ${paths.join(", ")}.` : "This image has no persistent folders.",
  });
}
