/** Segments of a release: several at once on their way, given out in order. */
import { MiB, type Bytes } from "../core/units.ts";
import type { Unpack } from "../release/delta/apply-delta.ts";
import { AppError } from "../core/error.ts";
import { giveBack } from "../core/give-back.ts";
import { wholeBlob } from "./read-blob.ts";
import type { ImageStore, StoreOptions } from "./store.ts";

export interface WantedSegment {
  readonly packed: { readonly digest: string; readonly size: Bytes };
  /** Unpacked. */
  readonly length: Bytes;
}
export interface FetchOptions extends StoreOptions {
  readonly unpack: Unpack;
  /** Segments that wait for their turn are unpacked meanwhile: faster, and 24 MiB more; default false. */
  readonly early?: boolean;
}

const AT_ONCE = 3;
/** One that is unpacked already takes none of the line. */
const EARLY_AT_ONCE = 6;
/** Of packed segments that wait for their turn. */
const MEMORY: Bytes = 24 * MiB;

/**
 * Each segment is good until the next one is asked for.
 *
 * Memory: 24 MiB of packed segments, one that is unpacked, and what unpacking takes. What comes is not compared with anything but the digests of the
 * packed bytes: whoever uses a segment does that.
 *
 * @param largest of the segments, unpacked
 * @throws AppError `RELEASE_INVALID` for what cannot be unpacked to its length; StoreError; the signal's reason
 */
export async function* fetchSegments(
  store: ImageStore,
  wanted: readonly WantedSegment[],
  largest: Bytes,
  { unpack, early = false, signal }: FetchOptions,
): AsyncGenerator<Uint8Array> {
  const stop = new AbortController();
  const both = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const atOnce = Math.max(1, Math.min(early ? EARLY_AT_ONCE : AT_ONCE, Math.floor(MEMORY / largest)));
  const coming: Promise<Uint8Array>[] = [];
  let next = 0;
  const begin = (): void => {
    for (; next < wanted.length && coming.length < atOnce; next++) {
      const { packed, length } = wanted[next]!;
      const blob = wholeBlob(store, packed, packed.size, { signal: both });
      const one = early ? blob.then(async (bytes) => await unpackedTo(bytes, packed.digest, length, unpack)) : blob;
      one.catch(() => {}); // whoever waits for it is told
      coming.push(one);
    }
  };
  try {
    for (const { packed, length } of wanted) {
      begin();
      const bytes = await coming[0]!;
      void coming.shift();
      begin();
      const segment = early ? bytes : await unpackedTo(bytes, packed.digest, length, unpack);
      yield segment;
      giveBack(segment);
    }
  } finally {
    stop.abort();
  }
}

async function unpackedTo(packed: Uint8Array, digest: string, length: Bytes, unpack: Unpack): Promise<Uint8Array> {
  const invalid = (what: string, cause?: unknown): AppError =>
    new AppError("RELEASE_INVALID", `segment ${digest} ${what}`, {
      hint: "Nothing of it was written. Push the release again.",
      cause,
    });
  const bytes = await unpack(packed, length).catch((cause: unknown) => {
    throw invalid("cannot be unpacked to what the release says", cause);
  });
  giveBack(packed);
  if (bytes.length !== length) throw invalid(`has ${bytes.length} bytes, and the release says ${length}`);
  return bytes;
}
