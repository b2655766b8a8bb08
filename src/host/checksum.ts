import { rm } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { sha256File } from "./files.ts";
import { replaceFile, syncDirectory } from "./replace-file.ts";

/** One line as `sha256sum --check` reads it. Source: GNU coreutils manual, "cksum output modes". */
const line = (digest: string, name: string): string => `${digest}  ${name}\n`;

/** In a folder of outputs: the checksums of its files. */
export const CHECKSUMS = "SHA256SUMS";

/** Where the checksum of an output lies. */
const checksumPath = (output: string): string => `${output}.sha256`;

/**
 * Places a finished file by `place`, and its checksum beside it.
 *
 * Two names cannot be switched at once, so the old checksum goes first and the new one comes last: after a power cut there is one that is the
 * file's, or none, and never one of another file.
 *
 * @param made where the bytes of `output` are until `place` puts them there
 */
export async function placeWithChecksum(
  made: string,
  output: string,
  place: () => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  const digest = await sha256File(made, signal);
  await rm(checksumPath(output), { force: true });
  await syncDirectory(dirname(output));
  await place();
  await syncDirectory(dirname(output));
  await replaceFile(checksumPath(output), line(digest, basename(output)));
}

/** The text of {@link CHECKSUMS} for files in a folder. @param names relative to it, in the order of their lines */
export async function checksumsOf(folder: string, names: readonly string[], signal?: AbortSignal): Promise<string> {
  let text = "";
  for (const name of names) text += line(await sha256File(`${folder}/${name}`, signal), name);
  return text;
}
