import { statfs } from "node:fs/promises";
import type { Bytes } from "../core/units.ts";
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

/** What is mounted at a folder, nothing where nothing is. Source: proc_pid_mountinfo(5) */
export async function mountedAt(folder: string): Promise<FileSystemRoom | undefined> {
  const line = (await readText("/proc/self/mountinfo")).split("\n").findLast((text) => text.split(" ")[4] === folder);
  if (line === undefined) return undefined;
  const [own = "", superBlock = ""] = [line.split(" ")[5], line.split(" - ")[1]?.split(" ")[2]];
  const { bavail, blocks, bsize, ffree, files } = await statfs(folder);
  const readOnly = [own, superBlock].some((options) => options.split(",").includes("ro"));
  return { readOnly, free: bavail * bsize, size: blocks * bsize, freeInodes: ffree, inodes: files };
}
