import { access, mkdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

export async function fileExists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

/** Bytes. */
export const fileSize = async (path: string): Promise<number> => (await stat(path)).size;

export const makeFolder = async (path: string): Promise<void> => void (await mkdir(path, { recursive: true }));

/** Writes a file and the folders above it; for files in a work folder, where a power cut does not matter. */
export async function writeText(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await rm(path, { force: true }); // never through a link
  await writeFile(path, text);
}

/** Renames a finished file or folder to where others look for it; what another process put there meanwhile stays. */
export async function moveInto(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  try {
    await rename(from, to);
  } catch (error) {
    if (["ENOTEMPTY", "EEXIST"].includes((error as NodeJS.ErrnoException).code ?? "")) return;
    throw error;
  }
}
