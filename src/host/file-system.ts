import { statfs } from "node:fs/promises";
import type { Bytes } from "../core/units.ts";
import { mountAt, parseMountInfo, type Mount } from "../layout/mountinfo.ts";
import { readText } from "./files.ts";

/** Room of a mounted file system. */
export interface FileSystemRoom {
  readonly readOnly: boolean;
  /** For ordinary users: what is reserved for root does not count. */
  readonly free: Bytes;
  readonly size: Bytes;
  readonly freeInodes: number;
  readonly inodes: number;
}

/** ext4 that has given up after an error shows `abort`, and from Linux 6.16 on `emergency_ro`. Source: fs/ext4/super.c, ext4_show_options */
const READ_ONLY: ReadonlySet<string> = new Set(["ro", "abort", "emergency_ro"]);

/**
 * Room of the file system of that type at a folder; nothing where there is none, or another: a sandbox puts the root's own folder over a mount
 * point without a mount.
 */
export async function mountedAt(folder: string, type: string): Promise<FileSystemRoom | undefined> {
  const mount = mountAt(parseMountInfo(await readText("/proc/self/mountinfo")), folder);
  return mount?.type === type ? await roomOf(folder, mount) : undefined;
}

/** Room of what is mounted at a folder. @throws NodeJS.ErrnoException */
export async function roomOf(folder: string, mount: Pick<Mount, "options" | "superOptions">): Promise<FileSystemRoom> {
  const { bavail, blocks, bsize, ffree, files } = await statfs(folder);
  return { readOnly: isReadOnly(mount), free: bavail * bsize, size: blocks * bsize, freeInodes: ffree, inodes: files };
}

export const isReadOnly = ({ options, superOptions }: Pick<Mount, "options" | "superOptions">): boolean =>
  [...options, ...superOptions].some((option) => READ_ONLY.has(option));
