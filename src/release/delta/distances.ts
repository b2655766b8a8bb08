/**
 * @portable Guesses what becomes of the distances in programs. Calls, jumps and reads of data hold how far off something is; when that and the place itself have moved
 * by different amounts, the distance has changed by their difference, and the frame's commands tell both. What is guessed only helps to predict: a wrong guess costs bytes.
 * Source: the idea of Percival, "Matching with Mismatches and Assorted Applications", 2006, 4; instructions: Intel SDM 2, 2.1.5 and 2.2.1.6.
 */
import type { Bytes } from "../../core/units.ts";
import { movedBy, type Moves } from "./moves.ts";

/** What is guessed of one byte. Numbers that go into contexts: part of the format. */
export interface Guess {
  /** 0: nothing. 1: by the commands. 2: as the last distance to the same place has changed. */
  readonly source: number;
  /** 0: no distance. 1: call, 2: jump, 3: conditional jump, 4: data beside code, 5: four bytes of data that may be one. */
  readonly kind: number;
  /** Which byte of the distance it is: 0 – 3. */
  readonly place: number;
  /** By how much it differs, modulo 256. */
  readonly difference: number;
  /** Whether the bytes before it, of the same distance, were guessed right: 0 or 1. */
  readonly rightSoFar: number;
  /** How often guesses of this kind and source were right of late: 0 – 15. */
  readonly trust: number;
}
export interface DistanceGuesser {
  /** Of the byte that was looked at last. */
  readonly guess: Guess;
  /** A command begins, whose bytes lie at `from` in the old image and at `at` in the new one, what is omitted not counted. */
  readonly begin: (from: Bytes, at: Bytes) => void;
  /**
   * Before a byte is coded: all of `target` from there on is old.
   *
   * @param old1 the old byte before it @param old2 the one before that
   */
  readonly look: (target: Uint8Array, at: number, old1: number, old2: number) => void;
  /** After it was coded: the byte is new. */
  readonly learn: (target: Uint8Array, at: number) => void;
  /** Whether an instruction that begins in a run of old bytes is likely to change: as {@link Guess.source} of the first that is. */
  readonly changesIn: (target: Uint8Array, start: number, length: number, old1: number, old2: number) => number;
  /** Whether the last byte that was looked at is one of a distance that goes on. */
  readonly isWithin: () => boolean;
}

const DATA = 5;
const WIDTH = 4;
/** What seems to lead further than this, in code and in data, is no distance. */
const FARTHEST = { code: 2 ** 28, data: 2 ** 24 };
const REMEMBERED = 65_536;
const MOST_TRUST = 15;

/** Memory: 1 MiB. One for a frame. */
export function distanceGuesser(moves: Moves): DistanceGuesser {
  const guess = { source: 0, kind: 0, place: 0, difference: 0, rightSoFar: 1, trust: 0 };
  const trust = new Uint8Array(8 * 3);
  /** Of places of the old image that distances led to: which, and by how much each moved, modulo 2^32. */
  const places = new Float64Array(REMEMBERED).fill(-1);
  const moved = new Int32Array(REMEMBERED);
  let [commandFrom, commandBy] = [0, 0];
  /** The distance that is being coded: bytes that are left, where it begins, what it was, where it led to, what it is likely to be. */
  let [left, start, was, leadsTo, expected] = [0, 0, 0, 0, 0];

  /** Finds out about four old bytes that may be a distance; sets `leadsTo` and `expected`. */
  const guessAt = (target: Uint8Array, at: number, kind: number): number => {
    const distance = word(target, at);
    leadsTo = commandFrom + at + distance + (kind === DATA ? 0 : WIDTH);
    const slot = slotOf(leadsTo);
    if (places[slot] === leadsTo) {
      expected = (distance + moved[slot]! - commandBy) | 0;
      return 2;
    }
    const by = movedBy(moves, leadsTo);
    if (by === undefined) return 0;
    expected = (distance + by - commandBy) | 0;
    return 1;
  };

  return {
    guess,
    begin: (from, at) => {
      [commandFrom, commandBy, left] = [from, at - from, 0];
    },
    look: (target, at, old1, old2) => {
      if (left === 0) {
        guess.kind = kindAt(target, at, old1, old2, commandFrom);
        guess.source = guess.kind === 0 ? 0 : guessAt(target, at, guess.kind);
        guess.rightSoFar = 1;
        guess.trust = trust[guess.kind * 3 + guess.source]!;
        if (guess.kind !== 0) [left, start, was] = [WIDTH, at, word(target, at)];
      }
      guess.place = left === 0 ? 0 : WIDTH - left;
      guess.difference = guess.source === 0 ? 0 : ((expected >> (8 * guess.place)) - target[at]!) & 255;
    },
    learn: (target, at) => {
      if (left === 0) return;
      if (guess.source !== 0 && target[at] !== ((expected >> (8 * guess.place)) & 255)) guess.rightSoFar = 0;
      left--;
      if (left > 0) return;
      if (guess.source !== 0) {
        const index = guess.kind * 3 + guess.source;
        trust[index] = guess.rightSoFar === 1 ? Math.min(MOST_TRUST, trust[index]! + 1) : Math.max(0, trust[index]! - 2);
      }
      const slot = slotOf(leadsTo);
      places[slot] = leadsTo;
      moved[slot] = word(target, start) - was + commandBy;
    },
    changesIn: (target, first, length, old1, old2) => {
      let [before1, before2] = [old1, old2];
      for (let at = first; at < first + length; at++) {
        const kind = kindAt(target, at, before1, before2, commandFrom);
        if (kind !== 0 && kind !== DATA) {
          const source = guessAt(target, at, kind);
          if (source !== 0 && expected !== word(target, at)) return source;
        }
        [before1, before2] = [target[at]!, before1];
      }
      return 0;
    },
    isWithin: () => left > 0,
  };
}

/** What of old bytes may be a distance, by the two before it. No program is taken apart: where this is wrong, trust goes down. */
function kindAt(target: Uint8Array, at: number, old1: number, old2: number, commandFrom: Bytes): number {
  if (at + WIDTH > target.length) return 0;
  const kind = codeBefore(old1, old2);
  if (kind !== 0) return Math.abs(word(target, at)) <= FARTHEST.code ? kind : 0;
  if ((commandFrom + at) % WIDTH !== 0) return 0;
  const distance = word(target, at);
  return distance !== 0 && Math.abs(distance) <= FARTHEST.data ? DATA : 0;
}

function codeBefore(old1: number, old2: number): number {
  if (old1 === 0xe8) return 1;
  if (old1 === 0xe9) return 2;
  if (old2 === 0x0f && (old1 & 0xf0) === 0x80) return 3;
  // A ModR/M byte for what lies beside the instruction pointer.
  return (old1 & 0xc7) === 0x05 ? 4 : 0;
}

const word = (bytes: Uint8Array, at: number): number =>
  bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
const slotOf = (place: Bytes): number => Math.imul(place, 0x9e3779b1) >>> 16;
