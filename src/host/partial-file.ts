import { existsSync } from "node:fs";
import { mkdir, open, readdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Bytes } from "../core/units.ts";

/** An output in the making, beside the place where it will appear; removed with its scope unless it was finished. */
export interface PartialFile extends AsyncDisposable {
  /** A sparse file of zeros: nothing is stored for what is never written. */
  readonly path: string;
  /** Renames it to the output, replacing what was there. */
  finish(): Promise<void>;
}

/**
 * Makes `OUTPUT.PID.partial` of `size` bytes, and removes those of processes that are no more.
 *
 * Two processes with the same output never touch each other's: the last to finish wins, with a whole file.
 */
export async function partialFile(output: string, size: Bytes): Promise<PartialFile> {
  const folder = dirname(output);
  await mkdir(folder, { recursive: true });
  for (const name of await readdir(folder)) {
    if (!name.startsWith(`${basename(output)}.`)) continue;
    const pid = /^\.(\d+)\.partial$/.exec(name.slice(basename(output).length))?.[1];
    if (pid && !existsSync(`/proc/${pid}`)) await rm(join(folder, name), { force: true });
  }
  const path = join(folder, `${basename(output)}.${process.pid}.partial`);
  await rm(path, { force: true });
  await using file = await open(path, "wx");
  await file.truncate(size);
  return {
    path,
    finish: async () => await rename(path, output),
    [Symbol.asyncDispose]: async () => await rm(path, { force: true }),
  };
}

/** Writes a file and the folders above it; for files in a work folder, where a power cut does not matter. */
export async function writeBytes(path: string, data: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, data);
}
