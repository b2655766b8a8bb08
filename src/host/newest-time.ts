import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

/** When the newest of these files, or of the files below these folders, was changed; links are not followed. Seconds since 1970. */
export async function newestTime(paths: readonly string[]): Promise<number> {
  let newest = 0;
  for (const path of paths) {
    const info = await lstat(path);
    const below = info.isDirectory() ? (await readdir(path)).map((name) => join(path, name)) : [];
    newest = Math.max(newest, Math.floor(info.mtimeMs / 1000), await newestTime(below));
  }
  return newest;
}
