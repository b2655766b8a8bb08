import { createReadStream, createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import type { Bytes } from "../core/units.ts";

/** Bytes, or a file of the host, all of it or `size` bytes from `start`. */
export type Part = Uint8Array | { readonly file: string; readonly start?: Bytes; readonly size?: Bytes };

function piece({ file, start = 0, size }: Exclude<Part, Uint8Array>): AsyncIterable<Uint8Array> {
  const end = size === undefined ? {} : { end: start + size - 1 };
  return createReadStream(file, { highWaterMark: 1024 ** 2, start, ...end });
}

/** Writes a file of a work folder, part after part; files are streamed. @throws NodeJS.ErrnoException */
export async function concatenate(path: string, parts: readonly Part[], signal?: AbortSignal): Promise<void> {
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (const part of parts) {
      if (part instanceof Uint8Array) yield part;
      else yield* piece(part);
    }
  }
  await pipeline(chunks, createWriteStream(path), ...(signal ? [{ signal }] : []));
}
