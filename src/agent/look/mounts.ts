import { join } from "node:path";
import { z } from "zod";
import { isReadOnly, roomOf } from "../../host/file-system.ts";
import { readText } from "../../host/files.ts";
import { mountAt, parseMountInfo } from "../../layout/mountinfo.ts";
import type { MountJson, MountsResponseJson } from "../../protocol/petrify/v1/system_pb.ts";
import { lookCall } from "./call.ts";
import { wholeJson } from "./json.ts";

/** Asking these how full they are may wait for another machine for ever, or mount something. */
const ELSEWHERE = /^(?:nfs|cifs|smb|fuse|autofs|ceph|afs|9p|glusterfs|lustre)/;

export const mounts = lookCall({
  request: z.strictObject({}),
  answer: async (_request, { root }): Promise<MountsResponseJson> => {
    // Not this program's own: it has more, which keep it within its bounds.
    const all = parseMountInfo(await readText(join(root, "proc/1/mountinfo")));
    const seen = all.filter((mount) => mountAt(all, mount.point) === mount);
    return {
      mounts: await Promise.all(
        seen.map(async (mount): Promise<MountJson> => {
          const { point, source, type, options } = mount;
          const room = ELSEWHERE.test(type) ? undefined : await roomOf(join(root, point), mount).catch(() => undefined);
          return {
            ...{ point, source, type, options: [...options], readOnly: isReadOnly(mount) },
            ...(room ? { size: wholeJson(room.size), available: wholeJson(room.free) } : {}),
            ...(room ? { files: wholeJson(room.inodes), filesFree: wholeJson(room.freeInodes) } : {}),
          };
        }),
      ),
    };
  },
});
