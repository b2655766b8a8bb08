import { z } from "zod";
import { AppError } from "../../core/error.ts";
import { persistentDiff } from "../../host/persistent-diff.ts";
import { persistentFolders } from "../../host/persistent-folders.ts";
import { readSeenFiles } from "../../host/seen-files.ts";
import type { DiffEntry } from "../../layout/persistent-diff.ts";
import type { SeenFiles } from "../../layout/seen-files.ts";
import type { DiffResponseJson, PersistentPathJson } from "../../protocol/petrify/v1/system_pb.ts";
import { turnstile } from "../../registry/at-once.ts";
import { lookCall } from "./call.ts";
import { wholeJson } from "./json.ts";

/** Of an answer. */
const AT_ONCE = 256;
/** Each reads whole folders. */
const enter = turnstile(1);

export const diff = lookCall({
  request: z.strictObject({}),
  answer: async function* (_request, { root }, signal): AsyncGenerator<DiffResponseJson> {
    // A record that cannot be read costs only the word "stale".
    const seen = await readSeenFiles(root).catch((error: unknown): SeenFiles => {
      if (error instanceof AppError) return new Map();
      throw error;
    });
    for (const folder of await persistentFolders(root)) {
      if (!folder.mounted) {
        yield { paths: [{ path: folder.path, verdict: "unreadable", differs: ["it is not mounted"] }] };
        continue;
      }
      const { entries, unreadable } = await enter(async () => await persistentDiff(folder, folder.path, { seen, signal }));
      const paths = [
        ...entries.filter(({ verdict }) => verdict !== "unneeded").map(pathOf),
        ...unreadable.map(({ path, reason }): PersistentPathJson => ({ path, verdict: "unreadable", differs: [reason] })),
      ];
      for (let at = 0; at < paths.length; at += AT_ONCE) yield { paths: paths.slice(at, at + AT_ONCE) };
    }
  },
});

const pathOf = ({ path, verdict, stored, below = 0, differs = {} }: DiffEntry): PersistentPathJson => ({
  ...{ path, verdict, stored: wholeJson(stored), below },
  differs: Object.entries(differs).map(([what, values]) => (values === true ? what : `${what} ${values.join(" → ")}`)),
});
