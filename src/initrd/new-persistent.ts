/** @portable Folders that keep what is written to them, from now on, of a system that has just begun to start. docs/concepts/persistence.md */
import { DATA_PARTITIONS, EMPTY_FOLDER, fstab, OVERLAY_FEATURES, persistentFlags, persistentOverlay } from "../layout/fstab.ts";
import type { ImageFacts } from "../layout/image-facts.ts";
import { encodeRunFacts, parseRunFacts, RUN_FACTS_PATH } from "../layout/run-facts.ts";
import { configFolders, lackingFolders } from "./config-folders.ts";
import { sentence } from "./failure.ts";
import { makeLayers } from "./persist.ts";
import { MOUNT_FLAGS, type Sys } from "./sys.ts";

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
      mountOverlay(sys, path, image.profile);
      return true;
    } catch (error) {
      notes.push(`${path} keeps nothing that is written to it before the next boot: ${sentence(error)}`);
      return false;
    }
  });
  if (mounted.length === 0) return;
  const persistent = [...image.persistent, ...mounted];
  const data = new Set(DATA_PARTITIONS.filter((name) => partitions[name]));
  sys.writeText(
    "/etc/fstab",
    fstab(data, persistent, { init: image.init?.kind, lacking: lackingFolders(sys, persistent), profile: image.profile }),
  );
  sys.writeText(RUN_FACTS_PATH, encodeRunFacts({ ...facts, image: { ...image, persistent } }));
}

const FLAGS: Readonly<Record<string, number>> = {
  nosuid: MOUNT_FLAGS.noSuid,
  nodev: MOUNT_FLAGS.noDevices,
  noexec: MOUNT_FLAGS.noExec,
};

function mountOverlay(sys: Sys, path: string, profile: ImageFacts["profile"]): void {
  const { lower, upper, work } = persistentOverlay(path);
  const isLacking = lackingFolders(sys, [path]).size > 0;
  if (isLacking) sys.makeFolder(EMPTY_FOLDER);
  makeLayers(sys, path);
  const layers = `lowerdir=${isLacking ? EMPTY_FOLDER : lower},upperdir=${upper},workdir=${work}`;
  const flags = persistentFlags(path, profile)
    .split(",")
    .reduce((sum, flag) => sum | (FLAGS[flag] ?? 0), 0);
  sys.mount("overlay", path, { type: "overlay", flags, data: `${layers},${OVERLAY_FEATURES}` });
}
