/** @portable Decides, for each piece of a new image, which bytes of the old one it is made of. */
import type { Bytes } from "../../core/units.ts";
import { MiB } from "../../core/units.ts";
import { similarParts, type Match } from "./bsdiff.ts";
import {
  bytesOf,
  pathWithoutKernel,
  pathWithoutNumbers,
  type ImageBytes,
  type ImagePieces,
  type Piece,
  type Range,
} from "./image-pieces.ts";
import { blockMap, type BlockMap } from "./same-blocks.ts";

/** How a piece came about: it is the same, its blocks are elsewhere in the old image, it resembles the old piece, or none of it. */
export type Method = "same" | "blocks" | "bsdiff" | "plain";

export interface MatchedPiece {
  readonly piece: Piece;
  /** The name of the old piece that it was compared with. */
  readonly against: string | undefined;
  readonly method: Method;
  /** Positions of both images, in ascending order of the new one. */
  readonly matches: readonly Match[];
  /** The same, but counted in the piece and in the old image. */
  readonly own: readonly Match[];
  /** An estimate of what the piece costs, packed by itself. */
  readonly cost: Bytes;
  /** Whether packing made it smaller; of what is the same, nobody asked. */
  readonly packs: boolean;
}
/** Packs quickly: for comparing. */
export type QuickPack = (bytes: Uint8Array) => Uint8Array;

/** Pieces larger than this are compared part by part, each with what lies around the same place of the old piece. */
const PART: Bytes = 16 * MiB;
const AROUND: Bytes = 8 * MiB;
/** A piece of this size that does not pack is packed already: what changed in it changed all of it. */
const TRIED_ANYHOW: Bytes = 256 * 1024;
const DOES_NOT_PACK = 0.97;

export interface MatchInput {
  readonly old: ImageBytes & ImagePieces;
  readonly new: ImageBytes & ImagePieces;
  readonly quickPack: QuickPack;
}

/** One result a piece, in the order of the pieces; time passes between them. */
export function* matchImages({ old, new: image, quickPack }: MatchInput): Generator<MatchedPiece> {
  const counterpart = counterparts(old.pieces);
  let map: BlockMap | undefined;
  const blocks: BlockMap = (bytes) => (map ??= blockMap(old, allOf(old.pieces)))(bytes);
  for (const piece of image.pieces) {
    const before = counterpart(piece);
    const text = bytesOf(image, piece.ranges);
    const reference = before ? bytesOf(old, before.ranges) : new Uint8Array();
    const found = matchPiece(text, reference, before?.ranges ?? [], blocks, quickPack);
    yield {
      ...{ piece, against: before?.name, method: found.method, cost: found.cost, packs: found.packs },
      own: found.matches,
      matches: found.matches.flatMap((match) => placed(match, piece.ranges)).toSorted((a, b) => a.at - b.at),
    };
  }
}

interface Found {
  readonly method: Method;
  /** `at` counts in the piece, `from` in the old image. */
  readonly matches: readonly Match[];
  readonly cost: Bytes;
  readonly packs: boolean;
}

function matchPiece(
  text: Uint8Array,
  reference: Uint8Array,
  ranges: readonly Range[],
  blocks: BlockMap,
  quickPack: QuickPack,
): Found {
  const inImage = (matches: readonly Match[]): Match[] => matches.flatMap((match) => inOldImage(match, ranges));
  if (isStartOf(text, reference)) {
    return { method: "same", matches: inImage([{ at: 0, from: 0, length: text.length }]), cost: 0, packs: true };
  }
  const packed = quickPack(text).length;
  const packs = packed < text.length * DOES_NOT_PACK;
  const plain: Found = { method: "plain", matches: [], cost: packed, packs };
  const candidates = [plain];
  const same = blocks(text);
  if (same.length > 0) {
    const cost = quickPack(unmatched(text, same)).length + 4 * same.length;
    candidates.push({ method: "blocks", matches: same, cost, packs });
  }
  if (reference.length > 0 && (text.length < TRIED_ANYHOW || packs)) {
    const matches = similar(reference, text);
    const cost = quickPack(differences(text, reference, matches)).length + quickPack(unmatched(text, matches)).length;
    candidates.push({ method: "bsdiff", matches: inImage(matches), cost: cost + 4 * matches.length, packs });
  }
  return candidates.reduce((best, candidate) => (candidate.cost < best.cost ? candidate : best));
}

function similar(reference: Uint8Array, text: Uint8Array): Match[] {
  if (text.length <= PART && reference.length <= 2 * PART) return similarParts(reference, text);
  const matches: Match[] = [];
  for (let start = 0; start < text.length; start += PART) {
    const part = text.subarray(start, start + PART);
    const first = Math.max(0, Math.min(start - AROUND, reference.length - PART - 2 * AROUND));
    const window = reference.subarray(first, first + PART + 2 * AROUND);
    for (const { at, from, length } of similarParts(window, part)) {
      matches.push({ at: start + at, from: first + from, length });
    }
  }
  return matches;
}

/** Finds the piece of the same name, else of the same name but for versions. */
function counterparts(pieces: readonly Piece[]): (piece: Piece) => Piece | undefined {
  const names = [(name: string) => name, pathWithoutKernel, (name: string) => pathWithoutNumbers(pathWithoutKernel(name))];
  const key = ({ region, name }: Piece, common: (name: string) => string): string => `${region} ${common(name)}`;
  const maps = names.map((common) => {
    const map = new Map<string, Piece>();
    for (const piece of pieces) if (!map.has(key(piece, common))) map.set(key(piece, common), piece);
    return (piece: Piece) => map.get(key(piece, common));
  });
  return (piece) => maps.reduce<Piece | undefined>((found, look) => found ?? look(piece), undefined);
}

const allOf = (pieces: readonly Piece[]): Range[] => pieces.flatMap(({ ranges }) => ranges);

const isStartOf = (text: Uint8Array, of: Uint8Array): boolean =>
  text.length <= of.length && text.every((byte, i) => byte === of[i]);

function differences(text: Uint8Array, reference: Uint8Array, matches: readonly Match[]): Uint8Array {
  const bytes = new Uint8Array(matches.reduce((total, { length }) => total + length, 0));
  let done = 0;
  for (const { at, from, length } of matches) {
    for (let i = 0; i < length; i++) bytes[done++] = text[at + i]! - reference[from + i]!;
  }
  return bytes;
}

function unmatched(text: Uint8Array, matches: readonly Match[]): Uint8Array {
  const bytes = new Uint8Array(text.length - matches.reduce((total, { length }) => total + length, 0));
  let [done, end] = [0, 0];
  for (const { at, length } of [...matches, { at: text.length, length: 0 }]) {
    bytes.set(text.subarray(end, at), done);
    done += at - end;
    end = at + length;
  }
  return bytes;
}

/** A match whose `from` counts in a piece of the old image: split where that piece is. */
const inOldImage = ({ at, from, length }: Match, ranges: readonly Range[]): Match[] =>
  spread(from, length, ranges).map((run) => ({ at: at + run.done, from: run.place, length: run.length }));

/** A match whose `at` counts in a piece of the new image: split where that piece is. */
const placed = ({ at, from, length }: Match, ranges: readonly Range[]): Match[] =>
  spread(at, length, ranges).map((run) => ({ at: run.place, from: from + run.done, length: run.length }));

function spread(start: Bytes, length: Bytes, ranges: readonly Range[]): { place: Bytes; done: Bytes; length: Bytes }[] {
  const runs: { place: Bytes; done: Bytes; length: Bytes }[] = [];
  let before = 0;
  for (const { start: place, size } of ranges) {
    const first = Math.max(start, before);
    const end = Math.min(start + length, before + size);
    if (first < end) runs.push({ place: place + first - before, done: first - start, length: end - first });
    before += size;
    if (before >= start + length) break;
  }
  return runs;
}
