/** @portable What a piece costs when nothing is packed together with it. */
import { MiB, type Bytes } from "../../core/units.ts";
import { frameSize } from "./delta-header.ts";
import { bytesOf, type ImageBytes } from "./image-pieces.ts";
import type { MatchedPiece } from "./match-images.ts";
import { packFrame, type Pack } from "./pack-streams.ts";
import { segmentsOf } from "./segment-streams.ts";

const SEGMENT: Bytes = 8 * MiB;

/** As it is made of the old image, or anew, whichever is smaller: places, lengths and differences included, digests not. */
export function sizeAlone({ piece, own, method }: MatchedPiece, old: ImageBytes, image: ImageBytes, pack: Pack): Bytes {
  if (method === "same") return 0;
  const text = bytesOf(image, piece.ranges);
  const alone: ImageBytes = { size: text.length, read: (at, length) => text.subarray(at, at + length) };
  const layout = { newSize: text.length, omitted: { start: 0, size: 0 }, segmentSize: SEGMENT };
  let made = 0;
  for (const segment of segmentsOf(layout, own, old, alone)) made += frameSize(packFrame([segment], pack).frame);
  return own.length === 0 ? made : Math.min(made, pack(text).length);
}
