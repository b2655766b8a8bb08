/** @portable What a delta holds of each segment of the new image, before it is packed. */
import { KiB, type Bytes } from "../../core/units.ts";
import type { Match } from "./bsdiff.ts";
import type { Command } from "./commands.ts";
import { coveredSize, type DeltaHeader } from "./delta-header.ts";
import type { ImageBytes } from "./image-pieces.ts";

/** Within a match, so many equal bytes are copied; fewer are differences of zero. Measured: docs/concepts/delta.md. */
const LEAST_COPY: Bytes = 16 * KiB;
/** Zeros of fewer bytes than this are packed with what is around them. */
const LEAST_ZEROS: Bytes = 64;

export interface SegmentStreams {
  readonly bytes: Uint8Array;
  /** `at`: where each command's bytes go, what is omitted not counted. */
  readonly commands: readonly { readonly at: Bytes; readonly command: Command }[];
  readonly changes: readonly { readonly at: Bytes; readonly from: Bytes; readonly old: Uint8Array; readonly text: Uint8Array }[];
  readonly additions: readonly Uint8Array[];
  /** What its streams take of a frame: differences pack to less than half, or they would not be any. */
  readonly room: Bytes;
}

/** Segments of the new image, in order. @param matches in the order of the new image */
export function* segmentsOf(
  layout: Pick<DeltaHeader, "newSize" | "omitted" | "segmentSize">,
  matches: readonly Match[],
  old: ImageBytes,
  image: ImageBytes,
): Generator<SegmentStreams> {
  const { omitted, segmentSize } = layout;
  const covered = coveredSize(layout);
  const toImage = (at: Bytes): Bytes => (at < omitted.start ? at : at + omitted.size);
  let next = 0;
  for (let start = 0; start < covered; start += segmentSize) {
    const end = Math.min(start + segmentSize, covered);
    const bytes = new Uint8Array(end - start);
    const commands: { at: Bytes; command: Command }[] = [];
    const changes: { at: Bytes; from: Bytes; old: Uint8Array; text: Uint8Array }[] = [];
    const additions: Uint8Array[] = [];
    for (let at = start; at < end;) {
      const place = toImage(at);
      while (next < matches.length && matches[next]!.at + matches[next]!.length <= place) next++;
      const match = matches[next];
      const room = Math.min(end - at, at < omitted.start ? omitted.start - at : Infinity);
      const inside = match !== undefined && match.at <= place;
      const length = inside
        ? Math.min(room, match.at + match.length - place)
        : Math.min(room, match ? match.at - place : Infinity);
      const text = image.read(place, length);
      bytes.set(text, at - start);
      if (inside) {
        const from = match.from + place - match.at;
        const reference = old.read(from, length);
        for (const { kind, first, size } of equalRuns(length, LEAST_COPY, (i) => text[i] === reference[i])) {
          commands.push({ at: at + first, command: { kind: kind ? "copy" : "change", length: size, from: from + first } });
          if (kind) continue;
          const [own, theirs] = [text, reference].map((side) => side.slice(first, first + size));
          changes.push({ at: at + first, from: from + first, old: theirs!, text: own! });
        }
      } else {
        for (const { kind, first, size } of equalRuns(length, LEAST_ZEROS, (i) => text[i] === 0)) {
          commands.push({ at: at + first, command: { kind: kind ? "zero" : "add", length: size } });
          if (!kind) additions.push(text.slice(first, first + size));
        }
      }
      at += length;
    }
    const changed = changes.reduce((total, { text }) => total + text.length, 0);
    yield { bytes, commands, changes, additions, room: changed / 2 + sizeOf(additions) + commands.length * 16 };
  }
}

/** Cuts into runs for which something holds of every byte, of at least so many, and the rest. */
function* equalRuns(
  length: number,
  least: number,
  holds: (index: number) => boolean,
): Generator<{ readonly kind: boolean; readonly first: number; readonly size: number }> {
  let first = 0;
  for (let i = 0; i < length;) {
    const start = i;
    while (i < length && holds(i)) i++;
    if (i - start >= least || (start === 0 && i === length)) {
      if (start > first) yield { kind: false, first, size: start - first };
      yield { kind: true, first: start, size: i - start };
      first = i;
    }
    while (i < length && !holds(i)) i++;
  }
  if (first < length) yield { kind: false, first, size: length - first };
}

const sizeOf = (parts: readonly Uint8Array[]): Bytes => parts.reduce((total, part) => total + part.length, 0);
