/** What a machine that has an owner says above its login prompts. docs/concepts/pki.md */
import { dirname } from "node:path";
import { existsNow, makeFolder, removeFile } from "../host/files.ts";
import { replaceFile } from "../host/replace-file.ts";
import { API_FOLDER, RECOVERY_FILE } from "../layout/api-places.ts";

/** Source: agetty(8), "ISSUE FILES" */
const FILE = "/run/issue.d/petrify-owned.issue";
/** src/build/rootfs/open/usr/lib/petrify/login has the name. */
const TEXT = "Log in as petrify-enrol to bring this machine another owner by its recovery token.\n\n";

/** Tells of the recovery token while there is one that the machine's owner has left it. */
export async function tellOfRecoveryToken(): Promise<void> {
  if (!existsNow(`${API_FOLDER}/${RECOVERY_FILE}`)) return await removeFile(FILE);
  await makeFolder(dirname(FILE));
  await replaceFile(FILE, TEXT);
}
