import { chmod, readdir, utimes } from "node:fs/promises";
import { join } from "node:path";

interface Stamp {
  /** Seconds since 1970. */
  readonly time: number;
  /** By name; the others are readable by everybody. */
  readonly modes?: Readonly<Record<string, number>>;
}

/** Gives the files of a folder, and the folder, modes and times that do not depend on who made them, or when. */
export async function stampFiles(folder: string, { time, modes = {} }: Stamp): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    await chmod(path, modes[name] ?? 0o644);
    await utimes(path, time, time);
  }
  await chmod(folder, 0o755);
  await utimes(folder, time, time);
}
