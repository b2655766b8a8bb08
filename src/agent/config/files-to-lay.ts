/** Which files a change of the machine config makes on a running system. Pure but for what the image has. */
import type { ChangePlan } from "../../config/machine/compile/plan-changes.ts";
import type { CompiledConfig, TreeEntry } from "../../layout/compiled-config.ts";

/** What is on the machine, and what is to be. */
export interface FileChange {
  readonly before: Pick<CompiledConfig, "entries"> | undefined;
  readonly after: Pick<CompiledConfig, "entries">;
  readonly plan: Pick<ChangePlan, "changes">;
  /** What stages have written of the old config's files, and what they are to write of the new one's. */
  readonly later?: { readonly before: readonly TreeEntry[]; readonly after: readonly TreeEntry[] };
  /** Of a config that was being laid when that was cut short: any of it may be there. Absent where nothing was. */
  readonly half?: readonly TreeEntry[] | undefined;
}
export interface FilesToLay {
  /** In this order. */
  readonly entries: readonly TreeEntry[];
  /** Folders that the old config made, deepest first: they go where nobody else has put anything into them. */
  readonly emptied: readonly string[];
}

/** @param ofImage what the image has at a path: none where it has nothing, a folder without what is in it unless `deep` */
export function filesToLay(
  { before, after, plan, half, later }: FileChange,
  ofImage: (path: string, options: { readonly deep: boolean }) => readonly TreeEntry[],
): FilesToLay {
  const now = after.entries;
  const old = [...(before?.entries ?? []), ...(later?.before ?? []), ...(half ?? [])];
  const wanted = new Set([...now, ...(later?.after ?? [])].map(({ path }) => path));
  const removed = new Map(old.filter(({ path }) => !wanted.has(path)).map((entry) => [entry.path, entry]));
  const emptied: string[] = [];
  // What lies in a folder goes before the folder.
  const restored = [...removed.values()].toReversed().flatMap((entry): readonly TreeEntry[] => {
    const { path, when, what } = entry;
    // What the image has of a folder that is kept cannot be told from what was copied of it.
    const image = when === "data" ? [] : ofImage(path, { deep: what.is !== "folder" });
    if (image.length > 0) return image;
    if (what.is === "folder") emptied.push(path);
    return what.is === "file" || what.is === "link" ? [{ path, when, owner: "0:0", what: { is: "gone" } }] : [];
  });
  const changed = new Set(plan.changes.flatMap(({ kind, how, name }) => (kind === "path" && how !== "removed" ? [name] : [])));
  // Owners are names: where their numbers have changed, every file has.
  const haveOwners = plan.changes.some(({ kind }) => kind === "user" || kind === "group");
  const laid = now.flatMap((entry): readonly TreeEntry[] => {
    const isAdded = entry.what.is === "file" && entry.what.append === true;
    if (!changed.has(entry.path) && !half && (isAdded || !haveOwners)) return [];
    // What is there has the old text added.
    return isAdded ? [...begun(entry.path, ofImage), entry] : [entry];
  });
  return { entries: [...outsideIn(restored), ...laid], emptied };
}

/** The image's text, which is added to. */
function begun(
  path: string,
  ofImage: (path: string, options: { readonly deep: boolean }) => readonly TreeEntry[],
): readonly TreeEntry[] {
  const image = ofImage(path, { deep: false });
  return image.length > 0 ? image : [{ path, when: "root", owner: "0:0", what: { is: "gone" } }];
}

/** Everything that goes, then what comes back, folders before what is in them. */
const outsideIn = (entries: readonly TreeEntry[]): readonly TreeEntry[] => [
  ...entries.filter(({ what }) => what.is === "gone"),
  ...entries.filter(({ what }) => what.is !== "gone").toSorted((a, b) => (a.path < b.path ? -1 : 1)),
];
