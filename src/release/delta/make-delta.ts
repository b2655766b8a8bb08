/** @portable Makes the delta from one system image to another: the fewest bytes that, with the old image at hand, come to the new one. */
import type { Sha256 } from "../../core/digest.ts";
import { MiB, type Bytes } from "../../core/units.ts";
import { applyDelta, readDeltaHeader, type PositionReader, type Unpack } from "./apply-delta.ts";
import { bitEncoder } from "./bit-coder.ts";
import type { Match } from "./bsdiff.ts";
import { commandWriter, type Command } from "./commands.ts";
import {
  coveredSize,
  encodeDeltaHeader,
  frameMemory,
  frameSize,
  MAX_FRAME,
  STREAMS,
  type DeltaHeader,
  type Frame,
  type PackedStream,
} from "./delta-header.ts";
import { CODED_AT_ONCE, differenceModel } from "./difference-model.ts";
import { imagePieces, REGIONS, type ImageBytes, type Range, type Region } from "./image-pieces.ts";
import { matchImages, type MatchedPiece, type Method, type QuickPack } from "./match-images.ts";

export interface DeltaImage {
  readonly image: ImageBytes;
  /** SHA-256 of its manifest. */
  readonly digest: Uint8Array;
}
export interface MakeInput {
  readonly old: DeltaImage;
  readonly new: DeltaImage;
  readonly sha256: Sha256;
  /** Packs as zstd, as small as can be, with a window of at most 16 MiB. */
  readonly pack: (bytes: Uint8Array) => Uint8Array;
  readonly quickPack: QuickPack;
  readonly unpack: Unpack;
  /** Of the new image; default 4 MiB. */
  readonly segmentSize?: Bytes;
  /** Awaited after each piece of the image has been compared: others get their turn. Rejects to stop. */
  readonly progress?: (done: Bytes, of: Bytes) => Promise<void>;
}

/** What a piece of the new image costs. */
export interface PieceCost {
  readonly region: Region;
  readonly name: string;
  readonly against: string | undefined;
  readonly method: Method;
  readonly size: Bytes;
  /** Its share of the delta: streams are packed together, so it is an estimate; all shares add up to the delta without its head. */
  readonly bytes: Bytes;
}
export interface DeltaExplanation {
  readonly bytes: Bytes;
  readonly head: Bytes;
  readonly streams: Readonly<Record<(typeof STREAMS)[number], { readonly size: Bytes; readonly packed: Bytes }>>;
  readonly regions: readonly { readonly region: Region; readonly size: Bytes; readonly changed: Bytes; readonly bytes: Bytes }[];
  /** What is not the same as before, the dearest first. */
  readonly pieces: readonly PieceCost[];
}
export interface MadeDelta {
  readonly bytes: Uint8Array;
  readonly explanation: DeltaExplanation;
}

/** Within a match, so many equal bytes are copied; fewer are differences of zero. Measured: docs/concepts/delta.md. */
const LEAST_COPY: Bytes = 16 * 1024;
/** Zeros of fewer bytes than this are packed with what is around them. */
const LEAST_ZEROS: Bytes = 64;
const SEGMENT: Bytes = 4 * MiB;

/**
 * The same images give the same bytes. What is returned has been applied to the old image, and came to the new one.
 * Memory: 13 bytes for each byte of the largest piece of the old image, at most 32 MiB of it, and the delta.
 *
 * @throws AppError as {@link imagePieces}; what `progress` rejects with
 */
export async function makeDelta(input: MakeInput): Promise<MadeDelta> {
  const { old, new: target, sha256, segmentSize = SEGMENT } = input;
  const pieces = imagePieces(target.image);
  const { size, read } = target.image;
  const [before, after] = [
    { ...old.image, ...imagePieces(old.image) },
    { size, read, ...pieces },
  ];
  const matched: MatchedPiece[] = [];
  let done = 0;
  for (const piece of matchImages({ old: before, new: after, quickPack: input.quickPack })) {
    matched.push(piece);
    done += sizeOf(piece.piece.ranges);
    await input.progress?.(done, size);
  }
  const matches = matched.flatMap((piece) => piece.matches).sort((a, b) => a.at - b.at);
  const layout = { newSize: size, omitted: pieces.omitted, segmentSize };
  const segments: Uint8Array[] = [];
  const frames: { readonly frame: Frame; readonly packed: readonly Uint8Array[] }[] = [];
  let open: SegmentStreams[] = [];
  const close = (): void => {
    if (open.length > 0) frames.push(packFrame(open, input.pack));
    open = [];
  };
  for (const segment of segmentsOf(layout, matches, old.image, target.image)) {
    segments.push(sha256.digest(segment.bytes));
    if (open.reduce((total, other) => total + other.room, segment.room) > MAX_FRAME) close();
    open.push(segment);
  }
  close();
  const header: DeltaHeader = {
    ...{ oldDigest: old.digest, newDigest: target.digest, oldSize: old.image.size, newSize: size, omitted: pieces.omitted },
    ...{ segmentSize, frames: frames.map(({ frame }) => frame), segments },
  };
  const head = encodeDeltaHeader(header, sha256);
  const bytes = joined([head, ...frames.flatMap(({ packed }) => packed)]);
  await prove(bytes, input);
  return { bytes, explanation: explain(bytes.length, head.length, header, matched) };
}

async function prove(bytes: Uint8Array, { old, new: target, sha256, unpack }: MakeInput): Promise<void> {
  const { size, read } = old.image;
  const reader: PositionReader = { size, read: async (at, length) => await Promise.resolve(read(at, length)) };
  const delta: PositionReader = {
    size: bytes.length,
    read: async (at, length) => await Promise.resolve(bytes.subarray(at, at + length)),
  };
  const write = async (at: Bytes, made: Uint8Array): Promise<void> => {
    const wanted = target.image.read(at, made.length);
    if (!made.every((byte, i) => byte === wanted[i])) throw new Error(`the delta does not make byte ${at} and following`);
    await Promise.resolve();
  };
  const header = await readDeltaHeader(delta, sha256);
  await applyDelta(header, { old: reader, delta, sha256, unpack, write, from: 0, done: () => {} });
}

interface SegmentStreams {
  readonly bytes: Uint8Array;
  /** Where each command's bytes go, what is omitted not counted. */
  readonly commands: readonly { readonly at: Bytes; readonly command: Command }[];
  readonly changes: readonly { readonly old: Uint8Array; readonly text: Uint8Array }[];
  readonly additions: readonly Uint8Array[];
  /** What its streams take of a frame: differences pack to less than half, or they would not be any. */
  readonly room: Bytes;
}

function* segmentsOf(
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
    const changes: { old: Uint8Array; text: Uint8Array }[] = [];
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
          changes.push({ old: theirs!, text: own! });
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
    yield { bytes, commands, changes, additions, room: changed / 2 + lengthOf(additions) + commands.length * 16 };
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

function packFrame(
  segments: readonly SegmentStreams[],
  pack: MakeInput["pack"],
): { readonly frame: Frame; readonly packed: readonly Uint8Array[] } {
  const writer = commandWriter();
  for (const { at, command } of segments.flatMap(({ commands }) => commands)) writer.write(at, command);
  const packed = [
    packStream(writer.bytes(), pack),
    packDifferences(segments.flatMap(({ changes }) => changes)),
    packStream(joined(segments.flatMap(({ additions }) => additions)), pack),
  ] as const;
  const streams = [packed[0].stream, packed[1].stream, packed[2].stream] as const;
  if (frameMemory(streams) > MAX_FRAME) throw new Error(`a frame would take ${frameMemory(streams)} bytes`);
  return { frame: { segments: segments.length, streams }, packed: packed.map(({ bytes }) => bytes) };
}

interface Packed {
  readonly stream: PackedStream;
  readonly bytes: Uint8Array;
}
function packStream(bytes: Uint8Array, pack: MakeInput["pack"]): Packed {
  const packed = pack(bytes);
  const isSmaller = packed.length < bytes.length;
  const kept = isSmaller ? packed : bytes;
  return { stream: { packing: isSmaller ? "zstd" : "plain", packed: kept.length, size: bytes.length }, bytes: kept };
}

function packDifferences(changes: SegmentStreams["changes"]): Packed {
  if (changes.length === 0) return { stream: { packing: "plain", packed: 0, size: 0 }, bytes: new Uint8Array() };
  const encoder = bitEncoder();
  const model = differenceModel(encoder);
  let size = 0;
  for (const { old, text } of changes) {
    const target = Uint8Array.from(old);
    for (let at = 0; at < target.length; at += CODED_AT_ONCE) {
      model.code(target, at, Math.min(at + CODED_AT_ONCE, target.length), text);
    }
    size += text.length;
  }
  const bytes = encoder.bytes();
  return { stream: { packing: "model", packed: bytes.length, size }, bytes };
}

function explain(bytes: Bytes, head: Bytes, header: DeltaHeader, matched: readonly MatchedPiece[]): DeltaExplanation {
  const body = header.frames.reduce((total, frame) => total + frameSize(frame), 0);
  const estimated = matched.reduce((total, { cost }) => total + cost, 0) || 1;
  const costs = matched.map(({ piece, against, method, cost }): PieceCost => {
    const { region, name, ranges } = piece;
    return { region, name, against, method, size: sizeOf(ranges), bytes: Math.round((cost / estimated) * body) };
  });
  const streams = STREAMS.map((name, index) => {
    const all = header.frames.map((frame) => frame.streams[index]!);
    const total = (of: (stream: PackedStream) => Bytes): Bytes => all.reduce((sum, stream) => sum + of(stream), 0);
    return [name, { size: total(({ size }) => size), packed: total(({ packed }) => packed) }] as const;
  });
  return {
    ...{ bytes, head, streams: Object.fromEntries(streams) as DeltaExplanation["streams"] },
    regions: REGIONS.map((region) => {
      const own = costs.filter((piece) => piece.region === region);
      const total = (of: (piece: PieceCost) => Bytes): Bytes => own.reduce((sum, piece) => sum + of(piece), 0);
      return {
        ...{ region, size: total(({ size }) => size), bytes: total((piece) => piece.bytes) },
        changed: total((piece) => (piece.method === "same" ? 0 : piece.size)),
      };
    }),
    pieces: costs.filter(({ method }) => method !== "same").toSorted((a, b) => b.bytes - a.bytes),
  };
}

const sizeOf = (ranges: readonly Range[]): Bytes => ranges.reduce((total, { size }) => total + size, 0);
const lengthOf = (parts: readonly Uint8Array[]): number => parts.reduce((total, part) => total + part.length, 0);

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(lengthOf(parts));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
