import { createHash, type Hash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { MiB, type Bytes } from "../core/units.ts";

export interface Gzipped {
  /** SHA-256 of what was compressed, hex. */
  readonly plain: string;
  /** SHA-256 of the compressed file, hex. */
  readonly packed: string;
  /** Of the compressed file. */
  readonly size: Bytes;
}

/**
 * Compresses a file, with both digests in one pass; the same bytes give the same file.
 *
 * @throws the signal's reason when aborted
 */
export async function gzipFile(from: string, to: string, signal?: AbortSignal): Promise<Gzipped> {
  const [plain, packed] = [createHash("sha256"), createHash("sha256")];
  let size = 0;
  const source = createReadStream(from, { highWaterMark: MiB });
  // Level 6 is within 1 % of the smallest, and twice as fast.
  const parts = [source, through(plain), createGzip({ level: 6, chunkSize: 256 * 1024 })] as const;
  const counted = through(packed, (chunk) => (size += chunk.length));
  try {
    await pipeline(...parts, counted, createWriteStream(to), signal ? { signal } : {});
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
  return { plain: plain.digest("hex"), packed: packed.digest("hex"), size };
}

const through = (hash: Hash, each: (chunk: Uint8Array) => void = () => {}) =>
  async function* (chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      hash.update(chunk);
      each(chunk);
      yield chunk;
    }
  };
