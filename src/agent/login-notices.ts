/** What a machine says above its login prompts. docs/concepts/pki.md */
import { dirname } from "node:path";
import { existsNow, makeFolder, removeFile, writeWatched } from "../host/files.ts";
import { replaceFile } from "../host/replace-file.ts";
import { API_FOLDER, RECOVERY_FILE } from "../layout/api-places.ts";

export interface LoginNotices {
  /** @param text nothing where there is no such notice any more */
  readonly say: (file: string, text: string | undefined) => Promise<void>;
  /** Tells of the recovery token while there is one that the machine's owner has left it. */
  readonly tellOfRecoveryToken: () => Promise<void>;
}

const PLACES = {
  /** Source: agetty(8), "ISSUE FILES" */
  ofRecovery: "/run/issue.d/petrify-owned.issue",
  /** Agetty waits for changes of it. Source: agetty(8), `--reload` */
  reload: "/run/agetty.reload",
  recovery: `${API_FOLDER}/${RECOVERY_FILE}`,
} as const;
type Places = { readonly [name in keyof typeof PLACES]: string };

/** src/build/rootfs/open/usr/lib/petrify/login has the name. */
const TEXT = "Log in as petrify-enrol to bring this machine another owner by its recovery token.\n\n";

/** None of them is worth a machine without its agent: one that cannot be shown, as where `/run` is full, is logged. */
export function loginNotices(log: (line: string) => void, { ofRecovery, reload, recovery }: Places = PLACES): LoginNotices {
  const change = async (file: string, text: string | undefined): Promise<void> => {
    if (text === undefined) return await removeFile(file);
    await makeFolder(dirname(file));
    await replaceFile(file, text);
    // Prompts that are there already show it, too.
    await writeWatched(reload, "\n");
  };
  const say: LoginNotices["say"] = async (file, text) =>
    await change(file, text).catch((error: unknown) =>
      log(`what login prompts show is not changed: ${(error as Error).message}`),
    );
  return { say, tellOfRecoveryToken: async () => await say(ofRecovery, existsNow(recovery) ? TEXT : undefined) };
}
