/** @portable Makes the delta from one system image to another: the fewest bytes that, with the old image at hand, come to the new one. */
import type { Sha256 } from "../../core/digest.ts";
import { MiB, type Bytes } from "../../core/units.ts";
import { applyDelta, readDeltaHeader, type PositionReader, type UnpackPieces } from "./apply-delta.ts";
import {
  encodeDeltaHeader,
  frameSize,
  MAX_FRAME,
  STREAMS,
  type DeltaHeader,
  type Frame,
  type PackedStream,
} from "./delta-header.ts";
import { sizeAlone } from "./alone.ts";
import { imagePieces, REGIONS, type ImageBytes, type Range, type Region } from "./image-pieces.ts";
import { matchImages, type MatchedPiece, type Method, type QuickPack } from "./match-images.ts";
import { joined, packFrame, type Pack } from "./pack-streams.ts";
import { segmentsOf, type SegmentStreams } from "./segment-streams.ts";

export interface DeltaImage {
  readonly image: ImageBytes;
  /** SHA-256 of its manifest. */
  readonly digest: Uint8Array;
}
export interface MakeInput {
  readonly old: DeltaImage;
  readonly new: DeltaImage;
  readonly sha256: Sha256;
  readonly pack: Pack;
  readonly quickPack: QuickPack;
  readonly unpack: UnpackPieces;
  /** Whether to find out what each piece costs by itself: takes as long again as packing. */
  readonly limit?: boolean;
  /** Of the new image; default 4 MiB. */
  readonly segmentSize?: Bytes;
  /** Awaited after each piece of the image has been compared, and each segment packed and proven: others get their turn. Rejects to stop. */
  readonly progress?: (phase: MakePhase, done: Bytes, of: Bytes) => void | Promise<void>;
}

export type MakePhase = "comparing" | "packing" | "proving";

/** What a piece of the new image costs. */
export interface PieceCost {
  readonly region: Region;
  readonly name: string;
  readonly against: string | undefined;
  readonly method: Method;
  /** Whether it can be packed: what cannot is packed already. */
  readonly packs: boolean;
  readonly size: Bytes;
  /** Its share of the delta: streams are packed together, so it is an estimate; all shares add up to the delta without its head. */
  readonly bytes: Bytes;
}
export interface DeltaExplanation {
  readonly bytes: Bytes;
  readonly head: Bytes;
  /** The sum of what each piece costs by itself, in the best way there is, without a head: what a delta made file by file would come to, at the least. */
  readonly limit?: Bytes;
  readonly streams: Readonly<Record<(typeof STREAMS)[number], { readonly size: Bytes; readonly packed: Bytes }>>;
  readonly regions: readonly { readonly region: Region; readonly size: Bytes; readonly changed: Bytes; readonly bytes: Bytes }[];
  /** What is not the same as before, the dearest first. */
  readonly pieces: readonly PieceCost[];
}
export interface MadeDelta {
  readonly bytes: Uint8Array;
  readonly explanation: DeltaExplanation;
}

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
    await input.progress?.("comparing", done, size);
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
    await input.progress?.("packing", Math.min(segments.length * segmentSize, size), size);
  }
  close();
  const header: DeltaHeader = {
    ...{ oldDigest: old.digest, newDigest: target.digest, oldSize: old.image.size, newSize: size, omitted: pieces.omitted },
    ...{ segmentSize, frames: frames.map(({ frame }) => frame), segments },
  };
  const head = encodeDeltaHeader(header, sha256);
  const bytes = joined([head, ...frames.flatMap(({ packed }) => packed)]);
  await prove(bytes, input);
  if (input.limit !== true) return { bytes, explanation: explain(bytes.length, head.length, header, matched) };
  const alone = matched.map((piece) => ({ ...piece, cost: sizeAlone(piece, old.image, target.image, input.pack) }));
  const limit = alone.reduce((total, { cost }) => total + cost, 0);
  return { bytes, explanation: { ...explain(bytes.length, head.length, header, alone), limit } };
}

async function prove(bytes: Uint8Array, { old, new: target, sha256, unpack, progress }: MakeInput): Promise<void> {
  const { size, read } = old.image;
  const reader: PositionReader = { size, read: async (at, length) => await Promise.resolve(read(at, length)) };
  const delta: PositionReader = {
    size: bytes.length,
    read: async (at, length) => await Promise.resolve(bytes.subarray(at, at + length)),
  };
  const write = async (at: Bytes, made: Uint8Array): Promise<void> => {
    const wanted = target.image.read(at, made.length);
    if (!made.every((byte, i) => byte === wanted[i])) throw new Error(`the delta does not make byte ${at} and following`);
    await progress?.("proving", at + made.length, target.image.size);
  };
  const header = await readDeltaHeader(delta, sha256);
  await applyDelta(header, { old: reader, delta, sha256, unpack, write, from: 0, done: () => {} });
}

function explain(bytes: Bytes, head: Bytes, header: DeltaHeader, matched: readonly MatchedPiece[]): DeltaExplanation {
  const body = header.frames.reduce((total, frame) => total + frameSize(frame), 0);
  const estimated = matched.reduce((total, { cost }) => total + cost, 0) || 1;
  const costs = matched.map(({ piece, against, method, cost, packs }): PieceCost => {
    const { region, name, ranges } = piece;
    return { region, name, against, method, packs, size: sizeOf(ranges), bytes: Math.round((cost / estimated) * body) };
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
