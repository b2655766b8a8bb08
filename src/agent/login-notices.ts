/** What a machine says above its login prompts. docs/concepts/pki.md */
import { dirname } from "node:path";
import { existsNow, makeFolder, removeFile, writeWatched } from "../host/files.ts";
import { replaceFile } from "../host/replace-file.ts";
import { API_FOLDER, RECOVERY_FILE } from "../layout/api-places.ts";

/** Source: agetty(8), "ISSUE FILES" */
const FILE = "/run/issue.d/petrify-owned.issue";
/** src/build/rootfs/open/usr/lib/petrify/login has the name. */
const TEXT = "Log in as petrify-enrol to bring this machine another owner by its recovery token.\n\n";

/** Agetty waits for changes of it. Source: agetty(8), `--reload` */
const RELOAD_FILE = "/run/agetty.reload";

/** @param text nothing where there is no such notice any more */
export async function sayAtLogin(file: string, text: string | undefined): Promise<void> {
  if (text === undefined) return await removeFile(file);
  await makeFolder(dirname(file));
  await replaceFile(file, text);
  // Prompts that are there already show it, too.
  await writeWatched(RELOAD_FILE, "\n");
}

/** Tells of the recovery token while there is one that the machine's owner has left it. */
export async function tellOfRecoveryToken(): Promise<void> {
  await sayAtLogin(FILE, existsNow(`${API_FOLDER}/${RECOVERY_FILE}`) ? TEXT : undefined);
}
