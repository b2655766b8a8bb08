/** @portable Folders that keep what is written to them, from now on, of a system that has just begun to start. docs/concepts/persistence.md */
import { DATA_PARTITIONS, EMPTY_FOLDER, fstab, OVERLAY_FEATURES, persistentOverlay } from "../layout/fstab.ts";
import { encodeRunFacts, parseRunFacts, RUN_FACTS_PATH } from "../layout/run-facts.ts";
import { configFolders, lackingFolders } from "./config-folders.ts";
import { sentence } from "./failure.ts";
import { makeLayers } from "./persist.ts";
import type { Sys } from "./sys.ts";

/**
 * As the initrd would have done it, had it known: mounted, in the fstab, and known to whoever asks what is persistent.
 *
 * @param notes a sentence is added for each that is not
 */
export function keepFromNowOn(sys: Sys, wanted: readonly string[], notes: string[]): void {
  const facts = parseRunFacts(sys.readText(RUN_FACTS_PATH));
  const { image, partitions } = facts;
  if (!image || wanted.length === 0) return;
  const added = configFolders(sys, "", image.persistent, wanted, notes);
  const mounted = added.filter((path) => {
    try {
      mountOverlay(sys, path);
      return true;
    } catch (error) {
      notes.push(`${path} keeps nothing that is written to it before the next boot: ${sentence(error)}`);
      return false;
    }
  });
  if (mounted.length === 0) return;
  const persistent = [...image.persistent, ...mounted];
  const data = new Set(DATA_PARTITIONS.filter((name) => partitions[name]));
  sys.writeText("/etc/fstab", fstab(data, persistent, image.init?.kind, lackingFolders(sys, persistent)));
  sys.writeText(RUN_FACTS_PATH, encodeRunFacts({ ...facts, image: { ...image, persistent } }));
}

function mountOverlay(sys: Sys, path: string): void {
  const { lower, upper, work } = persistentOverlay(path);
  const isLacking = lackingFolders(sys, [path]).size > 0;
  if (isLacking) sys.makeFolder(EMPTY_FOLDER);
  makeLayers(sys, path);
  const layers = `lowerdir=${isLacking ? EMPTY_FOLDER : lower},upperdir=${upper},workdir=${work}`;
  sys.mount("overlay", path, { type: "overlay", data: `${layers},${OVERLAY_FEATURES}` });
}
