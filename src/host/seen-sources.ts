import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { SEEN_SOURCES_NAME, SOURCES_NOW_PATH } from "../layout/seen-sources.ts";
import { readText } from "./files.ts";
import { replaceFile } from "./replace-file.ts";

/**
 * What lies where this machine looks for its config was looked at: the next boot looks again where that has changed. Nothing is kept where this boot has not
 * said what lies there. Durable when it returns. docs/formats/generations.md
 *
 * @param folder of machine configs
 * @param now of tests
 * @throws NodeJS.ErrnoException
 */
export async function keepSeenSources(folder: string, now = SOURCES_NOW_PATH): Promise<void> {
  const text = await readText(now).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (text === undefined) return;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await replaceFile(join(folder, SEEN_SOURCES_NAME), text, 0o600);
}
