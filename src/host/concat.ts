import { createReadStream, createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";

/** Bytes, or a file of the host. */
export type Part = Uint8Array | { readonly file: string };

/** Writes a file of a work folder, part after part; files are streamed. @throws NodeJS.ErrnoException */
export async function concatenate(path: string, parts: readonly Part[], signal?: AbortSignal): Promise<void> {
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (const part of parts) {
      if (part instanceof Uint8Array) yield part;
      else yield* createReadStream(part.file, { highWaterMark: 1024 ** 2 }) as AsyncIterable<Uint8Array>;
    }
  }
  await pipeline(chunks, createWriteStream(path), ...(signal ? [{ signal }] : []));
}
