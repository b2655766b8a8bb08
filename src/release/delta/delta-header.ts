/** @portable The head of a delta: of which image it makes which, how it is cut, and digests of every segment. Format: docs/formats/delta.md. */
import type { Sha256 } from "../../core/digest.ts";
import { AppError } from "../../core/error.ts";
import { MiB, type Bytes } from "../../core/units.ts";

/** How a stream is packed: as it is, with zstd, or, differences only, by difference-model.ts. */
export const PACKINGS = ["plain", "zstd", "model"] as const;
export type Packing = (typeof PACKINGS)[number];

/** What a frame holds, in this order: commands, differences to be added to old bytes, new bytes. */
export const STREAMS = ["commands", "differences", "additions"] as const;

export interface PackedStream {
  readonly packing: Packing;
  readonly packed: Bytes;
  readonly size: Bytes;
}
/** Segments whose streams are packed together. */
export interface Frame {
  readonly segments: number;
  readonly streams: readonly [commands: PackedStream, differences: PackedStream, additions: PackedStream];
}
export interface DeltaHeader {
  /** SHA-256 of the manifests of both images. */
  readonly oldDigest: Uint8Array;
  readonly newDigest: Uint8Array;
  readonly oldSize: Bytes;
  readonly newSize: Bytes;
  /** What of the new image is not in the delta: its hash tree, which whoever applies the delta computes. May be empty. */
  readonly omitted: { readonly start: Bytes; readonly size: Bytes };
  readonly segmentSize: Bytes;
  readonly frames: readonly Frame[];
  /** SHA-256 of each segment of the new image. */
  readonly segments: readonly Uint8Array[];
}

const MAGIC = "PETRDELT";
const VERSION = 1;
const FIXED: Bytes = 128;
const FRAME: Bytes = 4 + 3 * 12;
const DIGEST: Bytes = 32;
/** Larger images, and segments, are not believed. */
const MAX_IMAGE: Bytes = 2 ** 40;
const SEGMENT_SIZES = { least: 4096, most: 8 * MiB };
/** Of the three streams of a frame together, unpacked, but for differences, which are unpacked as they are used: a reader holds no more than this. */
export const MAX_FRAME: Bytes = 12 * MiB;
/** A longer head is not read. */
const MAX_HEADER: Bytes = 16 * MiB;

/** What is cut into segments: the new image without what is omitted. */
export const coveredSize = ({ newSize, omitted }: Pick<DeltaHeader, "newSize" | "omitted">): Bytes => newSize - omitted.size;

/** Bytes that must be read before {@link decodeDeltaHeader} can be asked: {@link deltaHeaderSize} tells how many follow. */
export const DELTA_PREFIX: Bytes = 16;

/**
 * Bytes of the head, from its first {@link DELTA_PREFIX}.
 *
 * @throws AppError `DELTA_INVALID`, `DELTA_NEWER`
 */
export function deltaHeaderSize(prefix: Uint8Array): Bytes {
  if (prefix.length < DELTA_PREFIX) throw damaged("it ends too early");
  if (new TextDecoder("latin1").decode(prefix.subarray(0, 8)) !== MAGIC) throw damaged("it does not begin as one");
  const view = viewOf(prefix);
  const version = view.getUint32(8, true);
  if (version !== VERSION) {
    throw new AppError("DELTA_NEWER", `the delta has format ${version}, and this program reads ${VERSION}`, {
      hint: "Take the whole image, or update what reads it.",
    });
  }
  const size = view.getUint32(12, true);
  if (size < FIXED + DIGEST || size > MAX_HEADER) throw damaged(`its head would have ${size} bytes`);
  return size;
}

export function encodeDeltaHeader(header: DeltaHeader, sha256: Sha256): Uint8Array {
  const { frames, segments, omitted } = header;
  const size = FIXED + frames.length * FRAME + segments.length * DIGEST + DIGEST;
  if (size > MAX_HEADER) throw new Error(`the head would have ${size} bytes`);
  const bytes = new Uint8Array(size);
  const view = viewOf(bytes);
  bytes.set(new TextEncoder().encode(MAGIC));
  for (const [at, value] of [
    [8, VERSION],
    [12, size],
    [16, header.segmentSize],
    [20, frames.length],
  ] as const) {
    view.setUint32(at, value, true);
  }
  for (const [at, value] of [
    [24, header.oldSize],
    [32, header.newSize],
    [40, omitted.start],
    [48, omitted.size],
  ] as const) {
    view.setBigUint64(at, BigInt(value), true);
  }
  bytes.set(header.oldDigest, 64);
  bytes.set(header.newDigest, 96);
  let at = FIXED;
  for (const frame of frames) {
    view.setUint32(at, frame.segments, true);
    at += 4;
    for (const stream of frame.streams) {
      view.setUint32(at, PACKINGS.indexOf(stream.packing), true);
      view.setUint32(at + 4, stream.packed, true);
      view.setUint32(at + 8, stream.size, true);
      at += 12;
    }
  }
  for (const digest of segments) {
    bytes.set(digest, at);
    at += DIGEST;
  }
  bytes.set(sha256.digest(bytes.subarray(0, at)), at);
  return bytes;
}

/**
 * Believes nothing: every size is bounded, and all that the head says of the delta fits together.
 *
 * @param bytes all of {@link deltaHeaderSize}
 * @param size of the whole delta
 * @throws AppError `DELTA_INVALID`, `DELTA_NEWER`
 */
export function decodeDeltaHeader(bytes: Uint8Array, size: Bytes, sha256: Sha256): DeltaHeader {
  const headerSize = deltaHeaderSize(bytes);
  if (bytes.length !== headerSize) throw damaged("it ends too early");
  const end = headerSize - DIGEST;
  if (!isEqual(sha256.digest(bytes.subarray(0, end)), bytes.subarray(end))) throw damaged("its head is damaged");
  const view = viewOf(bytes);
  const number = (at: number): number => {
    const value = Number(view.getBigUint64(at, true));
    if (value > MAX_IMAGE) throw damaged(`it is of an image of ${value} bytes`);
    return value;
  };
  const [oldSize, newSize] = [number(24), number(32)];
  const omitted = { start: number(40), size: number(48) };
  if (omitted.start + omitted.size > newSize) throw damaged("what it leaves out lies outside the image");
  if (bytes.subarray(56, 64).some((byte) => byte !== 0)) throw damaged("reserved bytes of its head are used");
  const segmentSize = view.getUint32(16, true);
  if (segmentSize < SEGMENT_SIZES.least || segmentSize > SEGMENT_SIZES.most || segmentSize % 4096 !== 0) {
    throw damaged(`it has segments of ${segmentSize} bytes`);
  }
  const count = Math.ceil(coveredSize({ newSize, omitted }) / segmentSize);
  const frameCount = view.getUint32(20, true);
  if (FIXED + frameCount * FRAME + count * DIGEST !== end) throw damaged("its head has the wrong size");
  const frames = Array.from({ length: frameCount }, (_, i) => frameAt(view, FIXED + i * FRAME));
  if (sum(frames, (frame) => frame.segments) !== count) throw damaged("its frames do not hold its segments");
  if (sum(frames, frameSize) !== size - headerSize) throw damaged("it has another size than its head says");
  const digests = FIXED + frameCount * FRAME;
  const segments = Array.from({ length: count }, (_, i) => bytes.slice(digests + i * DIGEST, digests + (i + 1) * DIGEST));
  return {
    ...{ oldDigest: bytes.slice(64, 96), newDigest: bytes.slice(96, 128), oldSize, newSize, omitted, segmentSize },
    ...{ frames, segments },
  };
}

/** Bytes of a frame in the delta. */
export const frameSize = ({ streams }: Frame): Bytes => sum(streams, ({ packed }) => packed);

function frameAt(view: DataView, at: number): Frame {
  const segments = view.getUint32(at, true);
  if (segments === 0) throw damaged("a frame is empty");
  const stream = (index: 0 | 1 | 2): PackedStream => {
    const start = at + 4 + index * 12;
    const packing = PACKINGS[view.getUint32(start, true)];
    if (!packing) throw damaged("a stream is packed in a way that is not known");
    const [packed, size] = [view.getUint32(start + 4, true), view.getUint32(start + 8, true)];
    if (size > 0 && (packing === "model") !== (STREAMS[index] === "differences")) {
      throw damaged("a stream is packed in a way that is not its own");
    }
    if (packing === "plain" ? packed !== size : packing === "zstd" && packed >= size) {
      throw damaged("a stream is larger packed than unpacked");
    }
    return { packing, packed, size };
  };
  const streams = [stream(0), stream(1), stream(2)] as const;
  if (frameMemory(streams) > MAX_FRAME) throw damaged("a frame is too large");
  return { segments, streams };
}

/** What a reader holds of a frame, besides its packed bytes. */
export const frameMemory = (streams: Frame["streams"]): Bytes =>
  sum(streams, ({ packing, packed, size }) => (packing === "model" ? packed : size));

/** For every reason why bytes are no delta that may be applied. */
export const damaged = (why: string, cause?: unknown): AppError =>
  new AppError("DELTA_INVALID", `this is not a sound delta: ${why}`, {
    hint: "Fetch it again, or take the whole image.",
    ...(cause === undefined ? {} : { cause }),
  });

export const isEqual = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, i) => byte === b[i]);
const sum = <T>(of: readonly T[], size: (item: T) => number): number => of.reduce((total, item) => total + size(item), 0);
const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
