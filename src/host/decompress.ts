import { pipeline } from "node:stream/promises";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { AppError } from "../core/error.ts";
import type { Bytes } from "../core/units.ts";
import { tooLarge } from "../layout/archive-limits.ts";

export type Compression = "none" | "gzip" | "zstd" | "xz" | "bzip2";

/** By its first bytes: names and media types of what is found in the wild are not always right. RFC 1952, RFC 8878, the xz and bzip2 file formats */
export function compressionOf(first: Uint8Array): Compression {
  const starts = (...bytes: readonly number[]): boolean => bytes.every((byte, index) => first[index] === byte);
  if (starts(0x1f, 0x8b)) return "gzip";
  if (starts(0x28, 0xb5, 0x2f, 0xfd)) return "zstd";
  // A frame to be skipped: zstd:chunked may begin so.
  if ((first[0]! & 0xf0) === 0x50 && first[1] === 0x2a && first[2] === 0x4d && first[3] === 0x18) return "zstd";
  if (starts(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00)) return "xz";
  if (starts(0x42, 0x5a, 0x68) && first[3]! >= 0x31 && first[3]! <= 0x39) return "bzip2";
  return "none";
}

/**
 * Decompresses gzip and zstd as the bytes come; what is not compressed is passed on.
 *
 * @param limit bytes that may come of it
 * @throws AppError `ARCHIVE_REFUSED`
 */
export async function* decompressed(origin: string, source: AsyncIterable<Uint8Array>, limit: Bytes): AsyncGenerator<Uint8Array> {
  const [first, all] = await peeked(source);
  const compression = compressionOf(first);
  let size = 0;
  try {
    for await (const chunk of compression === "none" ? all : through(all, compression, origin)) {
      size += chunk.length;
      if (size > limit) throw tooLarge(origin, limit);
      yield chunk;
    }
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (!code?.startsWith("Z_") && !code?.startsWith("ZSTD_")) throw cause;
    const what =
      code === "Z_BUF_ERROR" ? "ends before its compressed data does: it was cut" : `is not ${compression} that can be read`;
    throw new AppError("ARCHIVE_REFUSED", `${origin}: ${what}`, { hint: "Fetch or make the archive again.", cause });
  }
}

async function* through(source: AsyncIterable<Uint8Array>, compression: Compression, origin: string): AsyncGenerator<Uint8Array> {
  const options = { chunkSize: 256 * 1024 };
  if (compression !== "gzip" && compression !== "zstd") {
    throw new AppError(
      "ARCHIVE_REFUSED",
      `${origin}: is compressed with ${compression}, which layers and image archives are not`,
      {
        hint: "Compress it with gzip or zstd, or not at all.",
      },
    );
  }
  const stream = compression === "gzip" ? createGunzip(options) : createZstdDecompress(options);
  // An error of the source reaches the reader through the stream.
  const pumping = pipeline(source, stream).catch(() => {});
  try {
    yield* stream as AsyncIterable<Uint8Array>;
  } finally {
    stream.destroy();
    await pumping;
  }
}

/** The first bytes, six if there are so many, and then everything from the beginning. */
async function peeked(source: AsyncIterable<Uint8Array>): Promise<[Uint8Array, AsyncIterable<Uint8Array>]> {
  const iterator = source[Symbol.asyncIterator]();
  let first: Uint8Array = new Uint8Array(0);
  while (first.length < 6) {
    const { done, value } = await iterator.next();
    if (done) break;
    first = concat(first, value);
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    try {
      if (first.length > 0) yield first;
      for (;;) {
        const { done, value } = await iterator.next();
        if (done) return;
        yield value;
      }
    } finally {
      await iterator.return?.();
    }
  }
  return [first, all()];
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length === 0) return b;
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}
