/** Puts the image of a release together: segments from a store, the hash tree computed, everything compared with the release. */
import { hex } from "../core/digest.ts";
import { AppError } from "../core/error.ts";
import { MiB, type Bytes } from "../core/units.ts";
import { sha256 } from "../host/sha256.ts";
import { verityBuilder } from "../release/build-verity.ts";
import { checkFile } from "../release/check-file.ts";
import { MAX_READ } from "../release/image-reader.ts";
import { deliveredSize, imageLayout, placesInImage, segmentAt, type Segment, type SegmentList } from "../release/segments.ts";
import { forEachAtOnce } from "./at-once.ts";
import type { FoundRelease } from "./open-release.ts";
import { wholeBlob } from "./read-blob.ts";
import type { ImageStore, StoreOptions } from "./store.ts";

const DOWNLOADS = 4;
const LARGEST_BLOB: Bytes = 16 * MiB;

/** A file that holds the image in the end, and perhaps parts of it already: src/host/resumable-file.ts. */
export interface ImageTarget {
  readonly read: (offset: Bytes, length: Bytes) => Promise<Uint8Array>;
  readonly write: (offset: Bytes, bytes: Uint8Array) => Promise<void>;
}
export interface PullInput {
  readonly store: ImageStore;
  readonly found: FoundRelease;
  readonly list: SegmentList;
  readonly target: ImageTarget;
  /** @throws for what is no zstd, or comes to more than `limit` bytes */
  readonly unpack: (packed: Uint8Array, limit: Bytes) => Promise<Uint8Array>;
  /** Bytes of the image that are there, of all that are delivered; bytes that were fetched. */
  readonly progress?: (done: Bytes, of: Bytes, fetched: Bytes) => void;
  readonly signal?: AbortSignal | undefined;
}
export interface Pulled {
  /** Bytes that came from the store. */
  readonly fetched: Bytes;
  /** Bytes of the image that were there from an earlier try; zeros count. */
  readonly kept: Bytes;
}

/**
 * What of the target is right already stays. Memory: 4 segments and their packed forms, and 8 MiB for each GiB of the root file system.
 *
 * @throws AppError `RELEASE_INVALID` where what comes is not what the release says; StoreError; what the target rejects with
 */
export async function pullImage(input: PullInput): Promise<Pulled> {
  const { list, progress, signal } = input;
  const size = deliveredSize(list);
  let [done, fetched, kept] = [0, 0, 0];
  await forEachAtOnce(list.segments.entries(), DOWNLOADS, signal, async ([index, segment], stop) => {
    const { length } = segmentAt(list, index);
    if (await isThere(input, index, segment)) kept += length;
    else {
      const bytes = await fetchSegment(input, segment, length, { signal: stop });
      for (const place of placesInImage(list, index))
        await input.target.write(place.start, bytes.subarray(place.inSegment, place.inSegment + place.length));
      fetched += segment.packed?.size ?? 0;
    }
    done += length;
    progress?.(done, size, fetched);
  });
  await writeHashTree(input);
  await checkWhole(input);
  return { fetched, kept };
}

async function isThere({ list, target }: PullInput, index: number, segment: Segment): Promise<boolean> {
  const hash = sha256.stream();
  for (const { start, length } of placesInImage(list, index)) hash.update(await target.read(start, length));
  return hex(hash.digest()) === segment.sha256;
}

/** @returns bytes that have the SHA-256 of the list */
async function fetchSegment(
  { store, unpack }: PullInput,
  { sha256: expected, packed }: Segment,
  length: Bytes,
  options: StoreOptions,
): Promise<Uint8Array> {
  const blob = packed && (await wholeBlob(store, packed, LARGEST_BLOB, options));
  const what = packed ? `blob ${packed.digest}` : "a segment of zeros";
  const bytes = blob
    ? await unpack(blob, length).catch((cause: unknown) => {
        throw damaged(`${store.origin}: ${what} cannot be unpacked`, cause);
      })
    : new Uint8Array(length);
  if (bytes.length !== length || hex(sha256.digest(bytes)) !== expected)
    throw damaged(`${store.origin}: ${what} is not the segment that the release names`);
  return bytes;
}

async function writeHashTree({ found, list, target, store, signal }: PullInput): Promise<void> {
  const { rootHash, veritySalt } = found.imageManifest;
  const { root } = imageLayout(found.imageManifest, sha256);
  const builder = verityBuilder({ rootSize: root.size, salt: veritySalt, sha256 });
  for (let at = 0; at < root.size; at += MAX_READ) {
    signal?.throwIfAborted();
    builder.add(await target.read(root.start + at, Math.min(MAX_READ, root.size - at)));
  }
  const tree = builder.finish();
  if (tree.rootHash !== rootHash || tree.bytes.length !== list.omitted.length)
    throw damaged(`${store.origin}: the segments do not come to the root hash of the release`);
  await target.write(list.omitted.start, tree.bytes);
}

/** Segments that are what the list says may still not be what the manifest says. */
async function checkWhole({ found, list, target, store, signal }: PullInput): Promise<void> {
  const digest = hex(sha256.digest(new TextEncoder().encode(found.release.manifest)));
  const image = { size: list.imageSize, read: target.read };
  const verdict = await checkFile({ image, sha256, signal });
  const [first] = verdict.findings;
  if (first) throw damaged(`${store.origin}: the image is not whole: ${first.what}`);
  if (verdict.found?.digest !== digest) throw damaged(`${store.origin}: the image has another manifest than the release`);
}

const damaged = (message: string, cause?: unknown): AppError =>
  new AppError("RELEASE_INVALID", message, {
    hint: "Push the release again, from an image that `petrify verify` calls whole.",
    cause,
  });
