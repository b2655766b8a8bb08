/** @portable Which blocks of one image are those of another, wherever they lie: the copy map. */
import type { Bytes } from "../../core/units.ts";
import type { Match } from "./bsdiff.ts";
import type { ImageBytes, Range } from "./image-pieces.ts";

const BLOCK: Bytes = 4096;
const RUN: Bytes = 256 * BLOCK;

/** Finds a run of blocks; matches are positions of the image that it was made of. */
export type BlockMap = (bytes: Uint8Array) => Match[];

/** @param ranges what of the image is looked at, from block to block */
export function blockMap({ read }: ImageBytes, ranges: readonly Range[]): BlockMap {
  const places = new Map<number, Bytes>();
  for (const { start, size } of ranges) {
    for (let at = start; at < start + size; at += RUN) {
      const bytes = read(at, Math.min(RUN, start + size - at));
      for (let i = 0; i + BLOCK <= bytes.length; i += BLOCK) {
        const key = sumOf(bytes, i);
        if (!places.has(key)) places.set(key, at + i);
      }
    }
  }
  const isAt = (place: Bytes, bytes: Uint8Array, at: number): boolean => {
    const block = read(place, BLOCK);
    return block.length === BLOCK && block.every((byte, i) => byte === bytes[at + i]);
  };
  return (bytes) => {
    const matches: { at: Bytes; from: Bytes; length: Bytes }[] = [];
    for (let at = 0; at + BLOCK <= bytes.length; at += BLOCK) {
      const place = places.get(sumOf(bytes, at));
      if (place === undefined) continue;
      const last = matches.at(-1);
      if (last && last.at + last.length === at && isAt(last.from + last.length, bytes, at)) last.length += BLOCK;
      else if (isAt(place, bytes, at)) matches.push({ at, from: place, length: BLOCK });
    }
    return matches;
  };
}

/** 52 bits of a block: what has the same is compared byte by byte. */
function sumOf(bytes: Uint8Array, start: number): number {
  let low = 0x811c9dc5;
  let high = 0x9747b28c;
  for (let i = start; i < start + BLOCK; i += 4) {
    const word = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    low = Math.imul(low ^ word, 0x01000193);
    high = Math.imul((high << 5) | (high >>> 27), 0x85ebca6b) ^ word;
  }
  return (low >>> 0) * 2 ** 20 + ((high ^ (high >>> 15)) & 0xfffff);
}
