/** @portable The pieces in which an image is delivered: how it is cut, what each piece has to be, and where its packed form is. Format: docs/formats/segments.md. */
import * as z from "zod";
import { AppError } from "../core/error.ts";
import { KiB, MiB, type Bytes } from "../core/units.ts";
import type { Sha256 } from "../core/digest.ts";
import { planSystemImage, systemImageIds, systemImageParts } from "../layout/system-image.ts";
import { canonicalJson, parseCanonicalJson } from "./canonical-json.ts";
import type { Manifest } from "./manifest.ts";
import { issueText } from "./issue-text.ts";

/** How an image is cut when it is pushed. */
export const SEGMENT_SIZE: Bytes = 4 * MiB;

export interface Segment {
  /** Of its bytes as the image has them, hex. */
  readonly sha256: string;
  /** The blob that it is unpacked from: `sha256:…`, and its bytes. Without it, the segment is zeros. */
  readonly packed?: { readonly digest: string; readonly size: Bytes } | undefined;
}
export interface SegmentList {
  readonly format: 1;
  readonly imageSize: Bytes;
  /** Of every segment but the last, which may be shorter. */
  readonly segmentSize: Bytes;
  /** The partition of the hash tree: whoever writes the image computes it. */
  readonly omitted: { readonly start: Bytes; readonly length: Bytes };
  /** The image without what is omitted, in order. */
  readonly segments: readonly Segment[];
}

/** Bytes. A larger list is not read. */
export const LARGEST_LIST: Bytes = MiB;
const MAX_IMAGE: Bytes = 2 ** 40;
const BLOCK: Bytes = 4 * KiB;
const LARGEST_SEGMENT: Bytes = 8 * MiB;

const Length = z.int().min(0).max(MAX_IMAGE);
const List = z.object({
  format: z.literal(1),
  imageSize: Length,
  segmentSize: z.int().min(BLOCK).max(LARGEST_SEGMENT).multipleOf(BLOCK),
  omitted: z.object({ start: Length.multipleOf(BLOCK), length: Length.multipleOf(BLOCK) }),
  segments: z.array(
    z.object({
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
      packed: z.object({ digest: z.string().regex(/^sha256:[0-9a-f]{64}$/), size: z.int().min(1) }).optional(),
    }),
  ),
});

/** How large an image is and where its root and its hash tree lie, by its manifest alone. */
export function imageLayout(
  { sizes, rootHash }: Pick<Manifest, "sizes" | "rootHash">,
  sha256: Sha256,
): {
  readonly size: Bytes;
  readonly omitted: SegmentList["omitted"];
  readonly root: { readonly start: Bytes; readonly size: Bytes };
} {
  const parts = { boot: sizes.boot, root: sizes.root, verity: sizes.rootVerity };
  const gpt = planSystemImage(parts, rootHash, systemImageIds(rootHash, sha256));
  const { root, verity } = systemImageParts(gpt);
  return { size: gpt.size, omitted: { start: verity.start, length: verity.size }, root };
}

/** What is cut into segments, in bytes: the image without what is omitted. */
export const deliveredSize = ({ imageSize, omitted }: Pick<SegmentList, "imageSize" | "omitted">): Bytes =>
  imageSize - omitted.length;

/** Where a segment lies, what is omitted not counted. */
export function segmentAt(
  list: Pick<SegmentList, "imageSize" | "omitted" | "segmentSize">,
  index: number,
): { readonly start: Bytes; readonly length: Bytes } {
  const start = index * list.segmentSize;
  return { start, length: Math.min(list.segmentSize, deliveredSize(list) - start) };
}

/** Where the bytes of a segment are in the image: one place, or two where it lies on both sides of what is omitted. */
export function placesInImage(
  list: Pick<SegmentList, "imageSize" | "omitted" | "segmentSize">,
  index: number,
): readonly { readonly start: Bytes; readonly length: Bytes; readonly inSegment: Bytes }[] {
  const { start, length } = segmentAt(list, index);
  const { omitted } = list;
  const before = Math.max(0, Math.min(length, omitted.start - start));
  const behind = { start: start + before + omitted.length, length: length - before, inSegment: before };
  return [{ start, length: before, inSegment: 0 }, behind].filter((place) => place.length > 0);
}

/** The most that a packer makes of so many bytes. Source: zstd.h, ZSTD_COMPRESSBOUND, and the head of a frame */
export const packedBound = (length: Bytes): Bytes => length + Math.ceil(length / 256) + KiB;

/** Each blob once, in order of first use. */
export function packedSegments({ segments }: Pick<SegmentList, "segments">): readonly NonNullable<Segment["packed"]>[] {
  return [...new Map(segments.flatMap(({ packed }) => (packed ? [[packed.digest, packed] as const] : []))).values()];
}

/** @throws AppError `RELEASE_INVALID` */
export function encodeSegments(list: SegmentList): Uint8Array {
  const { segments, omitted, format, imageSize, segmentSize } = list;
  const text = canonicalJson({
    ...{ format, imageSize, segmentSize, omitted: { ...omitted } },
    segments: segments.map(({ sha256, packed }) => ({ sha256, packed: packed && { ...packed } })),
  });
  const bytes = new TextEncoder().encode(text);
  parseSegments(bytes, "the list of segments");
  return bytes;
}

/**
 * Believes nothing: every number is bounded, and all of them fit together. That a segment has its SHA-256 is seen when it is there.
 *
 * @param origin names the document in messages
 * @throws AppError `RELEASE_INVALID`
 */
export function parseSegments(bytes: Uint8Array, origin: string): SegmentList {
  try {
    if (bytes.length > LARGEST_LIST) throw new Error(`has more than ${LARGEST_LIST} bytes`);
    const list = List.parse(parseCanonicalJson(bytes));
    const { imageSize, omitted, segmentSize, segments } = list;
    if (omitted.start + omitted.length > imageSize) throw new Error("leaves out what lies outside the image");
    const count = Math.ceil(deliveredSize(list) / segmentSize);
    if (segments.length !== count) throw new Error(`has ${segments.length} segments, and the image has ${count}`);
    checkPacked(list);
    return list;
  } catch (error) {
    const what = error instanceof z.ZodError ? issueText(error) : (error as Error).message;
    throw new AppError("RELEASE_INVALID", `${origin}: ${what}`, { cause: error });
  }
}

/** One blob is one segment's bytes, of a size that a segment can come from. */
function checkPacked(list: SegmentList): void {
  const seen = new Map<string, { readonly sha256: string; readonly size: Bytes; readonly length: Bytes }>();
  for (const [index, { sha256, packed }] of list.segments.entries()) {
    if (!packed) continue;
    const { length } = segmentAt(list, index);
    if (packed.size > packedBound(length)) throw new Error(`segment ${index} is larger packed than it can be`);
    const before = seen.get(packed.digest);
    if (before && (before.sha256 !== sha256 || before.size !== packed.size || before.length !== length)) {
      throw new Error(`segment ${index} is unpacked from the same bytes as another one, and is not the same`);
    }
    seen.set(packed.digest, { sha256, size: packed.size, length });
  }
}
