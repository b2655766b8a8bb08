/**
 * @portable Makes an image in its place out of segments, in order: each is written only when it has the SHA-256 of the release's list, and the hash tree, which
 * no segment has, is made while the root comes by. What is in place already is found by reading it: nothing has to be remembered for that, or believed.
 */
import { DIGEST_SIZE, hex, type SegmentDigests, type Sha256 } from "../core/digest.ts";
import { AppError } from "../core/error.ts";
import { giveBack } from "../core/give-back.ts";
import type { Bytes } from "../core/units.ts";
import { verityBuilder } from "./build-verity.ts";
import type { ImageWriter } from "./copy-image.ts";
import { MAX_READ, mediumError, type ImageReader } from "./image-reader.ts";
import type { Manifest } from "./manifest.ts";
import { imageLayout, placesInImage, segmentAt, type SegmentList } from "./segments.ts";
import { VERITY_BLOCK } from "./verify-root.ts";

export interface AssembleInput {
  readonly list: SegmentList;
  readonly manifest: Manifest;
  /** What is in the place; read past every cache. */
  readonly place: ImageReader;
  readonly writer: ImageWriter;
  readonly sha256: Sha256;
  /** Of bytes that were hashed already; nothing for others. Salted with the manifest's salt. */
  readonly digestsOf?: (bytes: Uint8Array) => SegmentDigests | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told how many segments from the first one on are on the medium. */
  readonly durable: (segments: number) => void;
}
export interface Assembly {
  /** Segments that are in place, from the first one on. */
  readonly count: () => number;
  /**
   * The next segment, whole.
   *
   * @throws AppError `RELEASE_INVALID` for other bytes than the list says: nothing of them is written; what the writer rejects with
   */
  readonly add: (bytes: Uint8Array) => Promise<void>;
  /**
   * The hash tree, and everything is on the medium.
   *
   * @throws AppError `RELEASE_INVALID` when the root has another root hash than the manifest says; what the writer rejects with
   */
  readonly finish: () => Promise<void>;
}

/** As often as a copy does it: copy-image.ts. */
const FLUSH_EVERY: Bytes = 16 * MAX_READ;

/**
 * Begins, or goes on behind what is in place.
 *
 * Memory: a segment, and the hash tree (8 MiB for each GiB of root).
 *
 * @throws what `place` rejects with, unless that is a medium error: then whatever was there is written anew
 */
export async function assembleImage(input: AssembleInput): Promise<Assembly> {
  const { list, manifest, place, writer, sha256, digestsOf, signal, durable } = input;
  const { root, omitted } = imageLayout(manifest, sha256);
  const verity = verityBuilder({ rootSize: root.size, salt: manifest.veritySalt, sha256 });
  const { segments } = list;
  const isSegment = (index: number, bytes: Uint8Array, digests?: SegmentDigests): boolean =>
    bytes.length === segmentAt(list, index).length && hex(digests?.whole ?? sha256.digest(bytes)) === segments[index]!.sha256;
  /** Where the part of the root ends that the tree has. */
  let hashed = root.start;
  /** The tree is made of what is known to be right, in order, and once: what was not written comes again. */
  const pass = (start: Bytes, bytes: Uint8Array): void => {
    const from = Math.max(hashed - start, 0);
    const to = Math.min(root.start + root.size - start, bytes.length);
    if (from >= to) return;
    verity.add(bytes.subarray(from, to));
    hashed = start + to;
  };
  /** @returns whether the tree has it now: digests are of blocks of the segment, which need not be those of the root */
  const passDigests = (start: Bytes, inSegment: Bytes, length: Bytes, { blocks }: SegmentDigests): boolean => {
    const from = Math.max(hashed - start, 0);
    const to = Math.min(root.start + root.size - start, length);
    if (from >= to) return true;
    const [first, end] = [(inSegment + from) / VERITY_BLOCK, (inSegment + to) / VERITY_BLOCK];
    if (!Number.isInteger(first) || !Number.isInteger(end) || (hashed - root.start) % VERITY_BLOCK !== 0) return false;
    verity.addDigests(blocks.subarray(first * DIGEST_SIZE, end * DIGEST_SIZE));
    hashed = start + to;
    return true;
  };

  let count = 0;
  const buffer = new Uint8Array(list.segmentSize);
  for (; count < segments.length; count++) {
    signal?.throwIfAborted();
    const found = await readSegment(place, list, count, buffer);
    if (!found || !isSegment(count, found)) break;
    for (const { start, length, inSegment } of placesInImage(list, count))
      pass(start, found.subarray(inSegment, inSegment + length));
  }
  giveBack(buffer);

  let unflushed = 0;
  const flush = async (): Promise<void> => {
    await writer.flush();
    unflushed = 0;
    durable(count);
  };
  return {
    count: () => count,
    add: async (bytes) => {
      const digests = digestsOf?.(bytes);
      if (count >= segments.length || !isSegment(count, bytes, digests)) {
        throw new AppError("RELEASE_INVALID", `segment ${count} of the image is not what the release says`, {
          hint: "Nothing of it was written. Push the release again, or ask whoever runs the registry.",
        });
      }
      for (const { start, length, inSegment } of placesInImage(list, count)) {
        const run = bytes.subarray(inSegment, inSegment + length);
        const isHashed = digests !== undefined && passDigests(start, inSegment, length, digests);
        await writeRun(writer, start, run, signal, isHashed ? undefined : pass);
      }
      count++;
      unflushed += bytes.length;
      if (unflushed >= FLUSH_EVERY) await flush();
    },
    finish: async () => {
      const { rootHash, bytes } = verity.finish();
      if (rootHash !== manifest.rootHash || bytes.length !== omitted.length) {
        throw new AppError("RELEASE_INVALID", "the root file system of the release does not have the root hash of its manifest", {
          hint: "Push the release again.",
        });
      }
      await writeRun(writer, omitted.start, bytes, signal);
      await flush();
    },
  };
}

/**
 * Reads a segment out of an image.
 *
 * @param list as the image is cut
 * @param into filled from its start
 * @returns the filled part; nothing where the medium does not give it, or where it ends
 */
export async function readSegment(
  { read }: ImageReader,
  list: Pick<SegmentList, "imageSize" | "omitted" | "segmentSize">,
  index: number,
  into: Uint8Array,
): Promise<Uint8Array | undefined> {
  for (const { start, length, inSegment } of placesInImage(list, index)) {
    for (let done = 0; done < length;) {
      try {
        const bytes = await read(start + done, Math.min(MAX_READ, length - done));
        if (bytes.length === 0) return undefined;
        into.set(bytes, inSegment + done);
        done += bytes.length;
      } catch (error) {
        if (mediumError(error) === undefined) throw error;
        return undefined;
      }
    }
  }
  return into.subarray(0, segmentAt(list, index).length);
}

/** @param meanwhile called with each piece while it is written */
async function writeRun(
  { write }: ImageWriter,
  offset: Bytes,
  bytes: Uint8Array,
  signal: AbortSignal | undefined,
  meanwhile?: (offset: Bytes, piece: Uint8Array) => void,
): Promise<void> {
  for (let done = 0; done < bytes.length; done += MAX_READ) {
    signal?.throwIfAborted();
    const piece = bytes.subarray(done, done + MAX_READ);
    const writing = write(offset + done, piece);
    meanwhile?.(offset + done, piece);
    await writing;
  }
}
