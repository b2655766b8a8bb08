import { persistentDiff } from "../host/persistent-diff.ts";
import { persistentFolders } from "../host/persistent-folders.ts";
import { readSeenFiles } from "../host/seen-files.ts";
import type { NodeContext } from "./node-context.ts";

/** What stands between a program and the image's file. */
const HIDES: ReadonlySet<string> = new Set(["changed", "stale", "removed"]);

/** Files of the image that copies in persistent folders hide: an image's newer ones would be hidden as well. docs/concepts/persistence.md */
export async function stalePaths({ root, signal }: NodeContext): Promise<readonly string[]> {
  const seen = await readSeenFiles(root).catch(() => new Map<string, string>());
  const paths: string[] = [];
  for (const folder of (await persistentFolders(root)).filter(({ mounted }) => mounted)) {
    const { entries } = await persistentDiff(folder, folder.path, { seen, signal });
    for (const { path, verdict } of entries) if (HIDES.has(verdict)) paths.push(path);
  }
  return paths;
}
