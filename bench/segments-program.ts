/** What is measured of petrify without a delta: `node segments-program.ts OLD NEW OUTPUT`. Segments are packed as `petrify push` packs them. */
import { hex } from "../src/core/digest.ts";
import { openImage, type ImageFile } from "../src/host/image-file.ts";
import { writeBytes } from "../src/host/partial-file.ts";
import { sha256 } from "../src/host/sha256.ts";
import { zstdPackSegment } from "../src/host/zstd.ts";
import { imagePieces } from "../src/release/delta/image-pieces.ts";
import { releaseManifest } from "../src/release/release-artifact.ts";
import { encodeSegments, packedSegments, SEGMENT_SIZE, segmentAt, type SegmentList } from "../src/release/segments.ts";
import type { SegmentFigures } from "./delta-petrify.ts";

const PACKERS = 2;
const digest = (bytes: Uint8Array): string => hex(sha256.digest(bytes));

/** An image in segments; whatever they are packed with. */
function segmentsOf(file: ImageFile): { readonly list: SegmentList; readonly bytesOf: (index: number) => Uint8Array } {
  const { start, size: length } = imagePieces(file).omitted;
  const layout = { format: 1, imageSize: file.size, segmentSize: SEGMENT_SIZE, omitted: { start, length } } as const;
  const bytesOf = (index: number): Uint8Array => {
    const segment = segmentAt(layout, index);
    const before = Math.min(segment.length, Math.max(0, start - segment.start));
    const behind = file.read(segment.start + before + length, segment.length - before);
    return Buffer.concat([file.read(segment.start, before), behind]);
  };
  const count = Math.ceil((file.size - length) / SEGMENT_SIZE);
  const segments = Array.from({ length: count }, (_, index) => ({ sha256: digest(bytesOf(index)) }));
  return { list: { ...layout, segments }, bytesOf };
}

const [old, next, output] = process.argv.slice(2) as [string, string, string];
using before = openImage(old);
using after = openImage(next);
const known = new Set(segmentsOf(before).list.segments.map((segment) => segment.sha256));
const { list, bytesOf } = segmentsOf(after);
const segments: { sha256: string; packed: { digest: string; size: number } }[] = [];
const indices = list.segments.keys();
await Promise.all(
  Array.from({ length: PACKERS }, async () => {
    for (const index of indices) {
      const bytes = bytesOf(index);
      const packed = await zstdPackSegment(bytes);
      segments[index] = { sha256: digest(bytes), packed: { digest: `sha256:${digest(packed)}`, size: packed.length } };
    }
  }),
);
const encoded = await zstdPackSegment(encodeSegments({ ...list, segments }));
const blobs = packedSegments({ segments });
const blob = { digest: `sha256:${digest(encoded)}`, size: encoded.length };
const lists = encoded.length + releaseManifest({ release: blob, list: blob, segments: blobs }).length;
const missing = packedSegments({ segments: segments.filter((segment) => !known.has(segment.sha256)) });
const sizeOf = (all: typeof blobs): number => all.reduce((sum, { size }) => sum + size, 0);
const figures: SegmentFigures = { lists, missing: sizeOf(missing), whole: sizeOf(blobs) };
await writeBytes(output, JSON.stringify(figures));
