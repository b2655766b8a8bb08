import { byPath, judge, type DiffEntry, type LayerEntry } from "../layout/persistent-diff.ts";
import type { SeenFiles } from "../layout/seen-files.ts";
import { digestsOf, hasVanished, layerEntries, reasonOf } from "./layer-walk.ts";
import type { PersistentFolder } from "./persistent-folders.ts";

export interface DiffOptions {
  /** What {@link readSeenFiles} returned. */
  readonly seen: SeenFiles;
  /** Every entry below a folder that only one layer has; default: the folder stands for them. */
  readonly all?: boolean;
  readonly signal?: AbortSignal | undefined;
}
export interface PersistentDiff {
  /** Sorted. */
  readonly entries: readonly DiffEntry[];
  /** What could not be compared, and why. */
  readonly unreadable: readonly { readonly path: string; readonly reason: string }[];
}

/**
 * What a persistent folder holds at a path and below it, compared with the running image. Memory grows with what is returned, not with
 * what is looked at.
 *
 * @param folder is mounted
 * @param from the folder itself or a path in it
 * @throws NodeJS.ErrnoException `EACCES` for anybody but root
 */
export async function persistentDiff(
  folder: PersistentFolder,
  from: string,
  { seen, ...options }: DiffOptions,
): Promise<PersistentDiff> {
  const entries: DiffEntry[] = [];
  const unreadable: { path: string; reason: string }[] = [];
  const walk = { ...options, unreadable: (path: string, reason: string) => void unreadable.push({ path, reason }) };
  for await (const entry of layerEntries(folder, from, walk)) {
    const judged = await judgeEntry(entry);
    if (judged) entries.push(judged);
  }
  return { entries: entries.toSorted(byPath), unreadable: unreadable.toSorted(byPath) };

  async function judgeEntry(entry: LayerEntry): Promise<DiffEntry | undefined> {
    try {
      return await judge(entry, seen.get(entry.path), digestsOf(folder, entry.path, options.signal));
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!hasVanished(error)) unreadable.push({ path: entry.path, reason: reasonOf(error) });
      return undefined;
    }
  }
}
