/** @portable Lays a machine config down in a running system. docs/concepts/persistence.md, docs/formats/run-config.md */
import type { TreeEntry } from "../layout/compiled-config.ts";
import { PERSISTENT_FOLDER, RUN_FOLDER } from "../layout/fstab.ts";
import { ACCOUNT_FILES } from "../layout/merge-accounts.ts";
import { CONFIG_DATA_PATH, parseConfigData } from "../layout/run-config.ts";
import { parseRunFacts, RUN_FACTS_PATH } from "../layout/run-facts.ts";
import { ownerNames, type OwnerNames } from "../layout/owner-names.ts";
import { sentence } from "./failure.ts";
import { makeHomes } from "./homes.ts";
import { isBelow } from "./inside.ts";
import { layEntries, onlyIn, type LayPlace } from "./lay-entries.ts";
import { layAccounts, rootPlace } from "./machine-config.ts";
import { keepFromNowOn } from "./new-persistent.ts";
import type { Sys } from "./sys.ts";
import { readWhole } from "./whole-file.ts";

const OEM = "/oem";
/** What petrify keeps there is not the config's to change. */
const OWN = [`${PERSISTENT_FOLDER}/.petrify`, `${OEM}/petrify`, RUN_FOLDER, "/run/systemd"] as const;
/** At each boot, by itself. */
const EMPTIED = ["/run", "/tmp"] as const;

/** What waits for data partitions, once they are mounted. @throws as {@link layFile} */
export function layData(sys: Sys): void {
  if (!sys.exists(CONFIG_DATA_PATH)) return;
  for (const note of layFile(sys, CONFIG_DATA_PATH)) sys.log("error", `machine config: ${note}`);
}

/**
 * Lays down what a file says, and removes the file: it may hold secrets. What is as it should be is left alone, so that a disk is only written to when
 * something is new.
 *
 * @param path of a file that {@link encodeConfigData} made
 * @returns what could not be done, a sentence each; the rest is done
 * @throws AppError `RUN_FACTS_INVALID`, SysError
 */
export function layFile(sys: Sys, path: string): string[] {
  const data = parseConfigData(sys.readText(path));
  if (!data) return [`${path} is of another format: nothing of it is laid down`];
  const notes: string[] = [];
  keepFromNowOn(sys, data.persistent ?? [], notes);
  const { image } = parseRunFacts(sys.readText(RUN_FACTS_PATH));
  const folders = [...(image?.persistent ?? []), PERSISTENT_FOLDER, OEM];
  for (const name of ACCOUNT_FILES) {
    const text = data.accounts?.[name];
    if (text === undefined) continue;
    try {
      layAccounts(sys, "", name, text);
    } catch (error) {
      notes.push(`/etc/${name} stays as it was: ${sentence(error)}`);
    }
  }
  makeHomes(sys, data.homes, [...folders, "/var"], notes);
  const names = ownerNames(readWhole(sys, "/etc/passwd"), readWhole(sys, "/etc/group"));
  const of = (when: TreeEntry["when"]): TreeEntry[] => data.entries.filter((entry) => entry.when === when);
  layEntries(sys, of("root"), rootPlace("", names), notes);
  layEntries(sys, of("data"), dataPlace(folders, names), notes);
  layEntries(sys, of("run"), dataPlace(EMPTIED, names), notes);
  sys.remove(path);
  return notes;
}

function dataPlace(folders: readonly string[], names: OwnerNames): LayPlace {
  const allowed = onlyIn(folders);
  return {
    ...{ root: "", makeIn: folders, follow: false, names },
    refusal: (path, is) => (isBelow(path, OWN) || OWN.some((own) => own === path) ? "is petrify's own" : allowed(path, is)),
  };
}
