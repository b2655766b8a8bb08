/** Puts the image of a release together: segments from a store, the hash tree computed, everything compared with the release. */
import { hex, type SegmentDigests } from "../core/digest.ts";
import { AppError } from "../core/error.ts";
import type { Bytes } from "../core/units.ts";
import { sha256 } from "../host/sha256.ts";
import { assembleImage } from "../release/assemble-image.ts";
import { checkFile } from "../release/check-file.ts";
import type { Unpack } from "../release/delta/apply-delta.ts";
import { deliveredSize, imageLayout, segmentAt, type SegmentList } from "../release/segments.ts";
import { VERITY_BLOCK } from "../release/verify-root.ts";
import { fetchSegments } from "./fetch-segments.ts";
import type { FoundRelease } from "./open-release.ts";
import type { ImageStore } from "./store.ts";

/** A file that holds the image in the end, and perhaps parts of it already: src/host/resumable-file.ts. */
export interface ImageTarget {
  readonly read: (offset: Bytes, length: Bytes) => Promise<Uint8Array>;
  readonly write: (offset: Bytes, bytes: Uint8Array) => Promise<void>;
  /** Called now and then: what was written may begin to go to the disk. */
  readonly settle: () => void;
}
export interface PullInput {
  readonly store: ImageStore;
  readonly found: FoundRelease;
  readonly list: SegmentList;
  readonly target: ImageTarget;
  readonly unpack: Unpack;
  /** Of what `unpack` has given, where it hashes, too. */
  readonly digestsOf?: (bytes: Uint8Array) => SegmentDigests | undefined;
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
 * Goes on behind what of the target is right already. While a segment is compared, hashed and written, the next ones come and are unpacked.
 * Memory: 7 segments or their packed forms, and 8 MiB for each GiB of the root file system.
 *
 * @throws AppError `RELEASE_INVALID` where what comes is not what the release says; StoreError; what the target rejects with
 */
export async function pullImage(input: PullInput): Promise<Pulled> {
  const { store, found, list, target, unpack, digestsOf, progress, signal } = input;
  const { segments, segmentSize } = list;
  const size = deliveredSize(list);
  const assembly = await assembleImage({
    ...{ list, manifest: found.imageManifest, sha256, signal, durable: () => {} },
    ...(digestsOf ? { digestsOf } : {}),
    place: { size: list.imageSize, read: target.read },
    writer: { write: target.write, flush: async () => target.settle() }, // whoever has the target makes it durable
  });
  const first = assembly.count();
  const lengthOf = (index: number): Bytes => segmentAt(list, index).length;
  const wanted = segments.flatMap(({ packed }, index) => (packed && index >= first ? [{ packed, length: lengthOf(index) }] : []));
  const coming = fetchSegments(store, wanted, segmentSize, { unpack, early: true, signal });
  const zeros = new Uint8Array(segmentSize);
  let fetched = 0;
  try {
    for (let index = first; index < segments.length; index++) {
      const { packed } = segments[index]!;
      const { value } = packed ? await coming.next() : { value: zeros.subarray(0, lengthOf(index)) };
      await assembly.add(value);
      fetched += packed?.size ?? 0;
      progress?.(Math.min((index + 1) * segmentSize, size), size, fetched);
    }
  } finally {
    await coming.return(undefined);
  }
  await assembly.finish();
  await checkRest(input);
  return { fetched, kept: Math.min(first * segmentSize, size) };
}

/**
 * Segments that are what the list says may still not be what the manifest says. The root file system has come to the manifest's root hash by now; what
 * else there is, is checked here.
 */
async function checkRest({ found, list, target, store, signal }: PullInput): Promise<void> {
  const digest = hex(sha256.digest(new TextEncoder().encode(found.release.manifest)));
  const image = { size: list.imageSize, read: target.read };
  const from = imageLayout(found.imageManifest, sha256).root.size / VERITY_BLOCK;
  const verdict = await checkFile({ image, sha256, from, signal });
  const [first] = verdict.findings;
  if (first) throw damaged(`${store.origin}: the image is not whole: ${first.what}`);
  if (verdict.found?.digest !== digest) throw damaged(`${store.origin}: the image has another manifest than the release`);
}

const damaged = (message: string, cause?: unknown): AppError =>
  new AppError("RELEASE_INVALID", message, {
    hint: "Push the release again, from an image that `petrify verify` calls whole.",
    cause,
  });
