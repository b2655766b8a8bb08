import { createReadStream, createWriteStream } from "node:fs";
import { stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import type { Bytes } from "../core/units.ts";

const PIECE: Bytes = 1024 ** 2;

export interface FileRange {
  /** Default: from the first byte. */
  readonly start?: Bytes;
  /** Default: to the end. */
  readonly length?: Bytes;
}

/** The bytes of a file, or of a part of it, piece by piece. @throws NodeJS.ErrnoException */
export async function* readStream(
  path: string,
  { start = 0, length }: FileRange = {},
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  if (length === 0) return;
  const range = { start, ...(length === undefined ? {} : { end: start + length - 1 }) };
  const stream = createReadStream(path, { ...range, highWaterMark: PIECE, ...(signal ? { signal } : {}) });
  yield* stream as AsyncIterable<Uint8Array>;
}

/** Writes a file of a work folder; what was there is replaced. @throws NodeJS.ErrnoException, and what the source throws */
export async function writeStream(path: string, bytes: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void> {
  await pipeline(bytes, createWriteStream(path, { highWaterMark: PIECE }), ...(signal ? [{ signal }] : []));
}

/** What is at a path, links followed; nothing where there is nothing. Pipes and devices are "other": reading one may never end. */
export async function kindOf(path: string): Promise<"file" | "folder" | "other" | undefined> {
  const info = await stat(path).catch((error: unknown) => {
    if (["ENOENT", "ENOTDIR", "ELOOP"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  });
  return info && (info.isFile() ? "file" : info.isDirectory() ? "folder" : "other");
}
