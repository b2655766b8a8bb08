/** @portable Persistent folders of the machine config, besides the image's. docs/concepts/persistence.md */
import { IMAGE_ROOT, isMountablePath, PERSISTENT_FOLDER } from "../layout/fstab.ts";
import { folderInside, isBelow } from "./inside.ts";
import { sentence } from "./failure.ts";
import type { Sys } from "./sys.ts";

/** Folders in which one can be made that the image does not have. */
const MADE_IN = ["/etc", "/var"] as const;
const PARTITIONS: readonly string[] = [PERSISTENT_FOLDER, "/oem"];

/**
 * Those that can be mounted; a folder that the image lacks is made, for this boot.
 *
 * @param root where the image's root is, with its `/etc` and `/var` being writable
 * @param ofImage the image's own, which stay
 * @param notes a sentence is added for each that cannot be
 */
export function configFolders(
  sys: Sys,
  root: string,
  ofImage: readonly string[],
  wanted: readonly string[],
  notes: string[],
): readonly string[] {
  const found: string[] = [];
  for (const path of new Set(wanted)) {
    const others = [...ofImage, ...found];
    if (others.includes(path)) continue;
    const why = refusal(sys, root, path, others);
    if (why === undefined) found.push(path);
    else notes.push(`${JSON.stringify(path)} cannot be persistent: ${why}`);
  }
  return found;
}

function refusal(sys: Sys, root: string, path: string, others: readonly string[]): string | undefined {
  if (!isMountablePath(path)) return "its name does not fit a mount option";
  const around = [...others, ...PARTITIONS].find((other) => path === other || isBelow(path, [other]));
  if (around !== undefined) return `it lies in ${around}, which is persistent already`;
  const inside = [...others, ...PARTITIONS, ...MADE_IN].find((other) => other === path || isBelow(other, [path]));
  if (inside !== undefined) return `it holds ${inside}`;
  try {
    folderInside(sys, path, { root, makeIn: MADE_IN, follow: false });
    return undefined;
  } catch (error) {
    return sentence(error);
  }
}

/** Folders that the image itself does not have. */
export const lackingFolders = (sys: Sys, paths: readonly string[]): ReadonlySet<string> =>
  new Set(paths.filter((path) => !sys.exists(IMAGE_ROOT + path)));
