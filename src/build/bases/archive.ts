import { createHash } from "node:crypto";
import { AppError } from "../../core/error.ts";
import type { Bytes } from "../../core/units.ts";
import { readStream } from "../../host/stream-file.ts";

/** Bytes of a stranger that can be read more than once: a file, or a part of one. */
export interface Archive {
  /** How it is called in errors and notes. */
  readonly origin: string;
  readonly size: Bytes;
  readonly read: () => AsyncIterable<Uint8Array>;
}

/** One layer of a base. */
export interface Layer extends Archive {
  /** SHA-256 of the decompressed layer, hex, where the image tells. */
  readonly diffId?: string | undefined;
}

export const archiveOfFile = (
  origin: string,
  path: string,
  { start = 0, size }: { readonly start?: Bytes; readonly size: Bytes },
  signal: AbortSignal | undefined,
): Archive => ({ origin, size, read: () => readStream(path, { start, length: size }, signal) });

/** Passes everything on, and compares what it was in the end. @throws AppError `BASE_DAMAGED` */
export async function* checked(
  origin: string,
  source: AsyncIterable<Uint8Array>,
  expected: { readonly algorithm: string; readonly hex: string; readonly size?: Bytes },
): AsyncGenerator<Uint8Array> {
  const { algorithm, hex, size } = expected;
  const hash = createHash(algorithm);
  let length = 0;
  for await (const chunk of source) {
    hash.update(chunk);
    length += chunk.length;
    yield chunk;
  }
  if (size !== undefined && length !== size) throw damaged(origin, `has ${length} bytes and should have ${size}`);
  const found = hash.digest("hex");
  if (found !== hex) throw damaged(origin, `has the digest ${algorithm}:${found} and should have ${algorithm}:${hex}`);
}

export const damaged = (origin: string, what: string): AppError =>
  new AppError("BASE_DAMAGED", `${origin}: ${what}`, { hint: "Fetch or make the image again: it was cut or changed." });
