import { rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { AppError } from "../core/error.ts";
import { readText, sha256File } from "./files.ts";
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
 * file's, or none, and never one of another file. Who may not read the file may not read its checksum either: it would tell whether a guess of
 * the content is right.
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
  const { mode } = await stat(output);
  await replaceFile(checksumPath(output), line(digest, basename(output)), mode & 0o666);
}

/** The text of {@link CHECKSUMS} for files in a folder. @param names relative to it, in the order of their lines */
export async function checksumsOf(folder: string, names: readonly string[], signal?: AbortSignal): Promise<string> {
  let text = "";
  for (const name of names) text += line(await sha256File(`${folder}/${name}`, signal), name);
  return text;
}

/**
 * Compares files of a folder with its {@link CHECKSUMS}; where there are none, nothing is known.
 *
 * @throws AppError `CHECKSUM_WRONG` where a file is another one, or has no line
 */
export async function requireChecksums(folder: string, names: readonly string[], signal?: AbortSignal): Promise<void> {
  const text = await readText(join(folder, CHECKSUMS)).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  });
  if (text === undefined) return;
  const lines = new Set(text.split("\n"));
  for (const name of names) {
    if (lines.has(line(await sha256File(join(folder, name), signal), name).trimEnd())) continue;
    throw new AppError("CHECKSUM_WRONG", `${join(folder, name)} is not the file that ${CHECKSUMS} beside it is of`, {
      hint: "It was copied in part, or changed: copy or build the folder again.",
    });
  }
}
