import { join } from "node:path";
import { z } from "zod";
import { readText } from "../../host/files.ts";
import { folderEntries, type FolderEntry } from "../../host/look-files.ts";
import { ownerNames } from "../../layout/owner-names.ts";
import type { FileEntryJson, FileKindJson, ListResponseJson } from "../../protocol/petrify/v1/system_pb.ts";
import { lookCall } from "./call.ts";
import { timestampJson, wholeJson } from "./json.ts";
import { pathSchema } from "./path.ts";

const AT_ONCE = 256;
const KINDS: Readonly<Record<FolderEntry["kind"], FileKindJson>> = {
  ...{ file: "FILE_KIND_FILE", folder: "FILE_KIND_FOLDER", link: "FILE_KIND_LINK" },
  ...{ device: "FILE_KIND_DEVICE", pipe: "FILE_KIND_PIPE", socket: "FILE_KIND_SOCKET" },
};

export const list = lookCall({
  request: z.strictObject({ path: pathSchema }),
  answer: async function* ({ path }, { root }, signal): AsyncGenerator<ListResponseJson> {
    const read = async (name: string): Promise<string> => await readText(join(root, "etc", name)).catch(() => "");
    const { users, groups } = ownerNames(await read("passwd"), await read("group"));
    const userNames = new Map([...users].toReversed().map(([name, { uid }]) => [uid, name]));
    const groupNames = new Map([...groups].toReversed().map(([name, gid]) => [gid, name]));
    let entries: FileEntryJson[] = [];
    for await (const { name, kind, mode, uid, gid, size, modified, target } of folderEntries(join(root, path))) {
      signal.throwIfAborted();
      entries.push({
        ...{ name, kind: KINDS[kind], mode, uid, gid, user: userNames.get(uid) ?? "", group: groupNames.get(gid) ?? "" },
        ...{ size: wholeJson(size), modified: timestampJson(modified), target: target ?? "" },
      });
      if (entries.length < AT_ONCE) continue;
      yield { entries };
      entries = [];
    }
    if (entries.length > 0) yield { entries };
  },
});
