import { rm, writeFile } from "node:fs/promises";

/** Writes a file of a work folder, part after part. @returns its size in bytes */
export async function writeBytes(path: string, parts: readonly Uint8Array[]): Promise<number> {
  await rm(path, { force: true }); // never through a link
  await writeFile(path, parts);
  return parts.reduce((sum, part) => sum + part.length, 0);
}
