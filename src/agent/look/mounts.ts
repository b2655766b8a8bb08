import { join } from "node:path";
import { z } from "zod";
import { isReadOnly, roomOf, type FileSystemRoom } from "../../host/file-system.ts";
import { readText } from "../../host/files.ts";
import { mountAt, parseMountInfo } from "../../layout/mountinfo.ts";
import type { MountJson, MountsResponseJson } from "../../protocol/petrify/v1/system_pb.ts";
import { lookCall } from "./call.ts";
import { wholeJson } from "./json.ts";

/** Asking these how full they are may wait for another machine for ever, or mount something. */
const ELSEWHERE = /^(?:nfs|cifs|smb|fuse|autofs|ceph|afs|9p|glusterfs|lustre)/;

/** Of a read-only file system Linux may say that it has as many files as a number can tell, which is not to be counted. Source: fs/erofs/super.c, erofs_statfs */
export const roomJson = ({ size, free, inodes, freeInodes }: FileSystemRoom): Partial<MountJson> => ({
  ...(Number.isSafeInteger(size) ? { size: wholeJson(size), available: wholeJson(free) } : {}),
  ...(Number.isSafeInteger(inodes) ? { files: wholeJson(inodes), filesFree: wholeJson(freeInodes) } : {}),
});

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
            ...(room ? roomJson(room) : {}),
          };
        }),
      ),
    };
  },
});
