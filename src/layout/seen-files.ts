/** @portable What the image's files were when their copies were first seen: `/usr/local/.petrify/seen.json`. docs/formats/seen-files.md */
import { AppError } from "../core/error.ts";
import { SEEN_FILES_PATH } from "./fstab.ts";
import { folderOf, isNormalPath } from "./persistent-folder.ts";

const FORMAT = 1;
const DIGEST = /^[0-9a-f]{64}$/;

/** By path as programs see it, the SHA-256 (hex) of the image's file. */
export type SeenFiles = ReadonlyMap<string, string>;

/** The file's text: the same for the same entries. */
export const encodeSeenFiles = (seen: SeenFiles): string =>
  `${JSON.stringify({ format: FORMAT, files: Object.fromEntries([...seen].toSorted(([a], [b]) => (a < b ? -1 : 1))) })}\n`;

/**
 * Reads the file.
 *
 * @throws AppError `SEEN_FILES_NEWER` for a format that is to be left alone, `SEEN_FILES_INVALID`
 */
export function parseSeenFiles(text: string): SeenFiles {
  const value = parseJson(text) as { format?: unknown; files?: unknown } | null;
  const format = value?.format;
  if (typeof format === "number" && format > FORMAT) {
    throw new AppError("SEEN_FILES_NEWER", `${SEEN_FILES_PATH} has format ${format}: a newer image wrote it`);
  }
  if (format !== FORMAT || typeof value?.files !== "object" || value.files === null) throw invalid();
  const files = Object.entries(value.files as Record<string, unknown>);
  if (!files.every(([path, digest]) => isNormalPath(path) && typeof digest === "string" && DIGEST.test(digest))) throw invalid();
  return new Map(files as [string, string][]);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalid(cause);
  }
}

const invalid = (cause?: unknown): AppError =>
  new AppError("SEEN_FILES_INVALID", `${SEEN_FILES_PATH} is damaged`, cause === undefined ? {} : { cause });

/** What was found in the persistent folders that could be looked at. */
export interface Copies {
  /** Folders that were looked at; what is known of others stays, as another image may have them. */
  readonly folders: readonly string[];
  /** Files that are there, with the digest of the image's file where it was not known. */
  readonly files: ReadonlyMap<string, string | undefined>;
}

/** What is known from now on. A digest that is known stays what it is, as long as there is a copy. */
export function nextSeenFiles(seen: SeenFiles, { folders, files }: Copies): SeenFiles {
  const next = new Map([...seen].filter(([path]) => files.has(path) || folderOf(path, folders) === undefined));
  for (const [path, digest] of files) if (digest !== undefined && !next.has(path)) next.set(path, digest);
  return next;
}
