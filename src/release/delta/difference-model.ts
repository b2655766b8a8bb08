/**
 * @portable Codes how bytes differ from old ones that both sides have. In programs that moved, few bytes differ, and which do and how depends on what the old
 * ones are: the same call has the same new distance. Format: docs/formats/delta.md.
 */
import type { Bytes } from "../../core/units.ts";
import type { BitCoder } from "./bit-coder.ts";
import { distanceGuesser } from "./distances.ts";
import { mixer } from "./mixer.ts";
import type { Moves } from "./moves.ts";

export interface DifferenceModel {
  /** Before each command: where its bytes lie in the old image, and in the new one, what is omitted not counted. */
  readonly begin: (from: Bytes, at: Bytes) => void;
  /**
   * Codes `target` from `start` to `end`, in place: old bytes become new ones. All of it holds old bytes at first; it is coded in runs of
   * {@link CODED_AT_ONCE}, in order, of which the last may be shorter.
   *
   * @param wanted the new bytes, when they are encoded
   */
  readonly code: (target: Uint8Array, start: number, end: number, wanted?: Uint8Array) => void;
  /** Gives its 12 MiB back: nothing is coded any more. */
  readonly release: () => void;
}

/** A multiple of {@link RUN}. */
export const CODED_AT_ONCE: Bytes = 64 * 1024;

/** Twice as large they would save 1.5 % of a package, and cost 8 MiB. */
const TABLE = 2 ** 17;
const SMALL = 4096;
const FLAG_TABLES = [8192, TABLE, TABLE, 65_536, TABLE, TABLE, TABLE, 2048, TABLE, TABLE, TABLE];
const BYTE_CONTEXTS = 11;
const BYTE_TABLES = [...Array.from({ length: BYTE_CONTEXTS }, () => TABLE), 4096];
const RUN_TABLES = [SMALL, SMALL, SMALL, SMALL, 256];
/** After so many equal bytes, equal runs are told by one bit each. */
const LONG = 32;
const RUN = 16;

/** Memory: 9 MiB. One for a frame: it learns from all that went before. */
export function differenceModel(coder: BitCoder, moves: Moves): DifferenceModel {
  const flags = mixer(FLAG_TABLES, 256);
  const values = mixer(BYTE_TABLES, 256);
  const runs = mixer(RUN_TABLES, 1);
  const distances = distanceGuesser(moves);
  const { guess } = distances;
  /** Which weights: by whether there is a guess, that it stays as it is, or how it changes, and how far that is to be believed. */
  const guessSet = (): number => (guess.source === 0 ? 0 : guess.difference === 0 ? 64 : guess.trust > 8 ? 128 : 192);
  /** Since the last byte that differs. */
  let equal = 0;
  /** Whether the last bytes, and the last long runs, were different: a bit each, the last one lowest. */
  let [history, runHistory] = [0, 0];
  /** How many bytes before this one differ without a gap; and what the last such bytes were, by place. */
  let place = 0;
  const before = new Uint8Array(16);
  /** The last differences, zeros too, as a ring: tables have entries of 4, 8, 16 or 24 bytes, which change alike. */
  const last = new Uint8Array(32);
  let lastAt = 0;
  const ago = (bytes: number): number => last[(lastAt - bytes) & 31]!;
  let [old1, old2, old3] = [0, 0, 0];
  let [diff1, diff2, diff3, diff4] = [0, 0, 0, 0];

  const isLongRun = (target: Uint8Array, at: number, wanted: Uint8Array | undefined): boolean => {
    const given = wanted && isEqualRun(target, wanted, at) ? 1 : 0;
    const { slots } = runs;
    slots[0] = Math.min(SMALL - 1, equal >> 4);
    slots[1] = runHistory & (SMALL - 1);
    slots[2] = slot(word(target, at), 1, SMALL);
    slots[3] = slot(word(target, at + 6), word(target, at + 11), SMALL);
    slots[4] = distances.changesIn(target, at, RUN, old1, old2) * 64 + Math.min(63, equal >> 6);
    const bit = runs.code(coder, given, 0);
    runHistory = (runHistory << 1) | (1 - bit);
    return bit === 1;
  };

  const isDifferent = (target: Uint8Array, at: number, given: number): boolean => {
    const [old, next1, next2, next3] = [target[at]!, target[at + 1] ?? 0, target[at + 2] ?? 0, target[at + 3] ?? 0];
    const recent = history & 15;
    const { slots } = flags;
    slots[0] = Math.min(31, equal) * 256 + (history & 255);
    slots[1] = slot(old | (old1 << 8) | (recent << 16), 1, TABLE);
    slots[2] = slot(old1 | (old2 << 8) | (old3 << 16), recent, TABLE);
    slots[3] = history & 0xffff;
    slots[4] = slot(old | (next1 << 8) | (next2 << 16) | (next3 << 24), recent, TABLE);
    slots[5] = slot(old2 | (old1 << 8) | (old << 16) | (next1 << 24), recent * 7 + 3, TABLE);
    const high = (next1 >> 6) | (next2 === 0 || next2 === 255 ? 4 : 0) | (next3 === 0 || next3 === 255 ? 8 : 0);
    slots[6] = slot(old1 | (recent << 8) | ((old >> 4) << 12), high, TABLE);
    const { source, kind, difference: guessed, rightSoFar, trust } = guess;
    const trusted = guess.place * 8 + rightSoFar * 4 + (trust >> 2);
    slots[7] = (source * 8 + kind) * 64 + (guessed === 0 ? 0 : 32) + trusted;
    const where = guessed | (source << 8) | (kind << 10) | (rightSoFar << 14) | (guess.place << 16);
    slots[8] = slot(where, Math.min(3, equal) * 4 + (history & 3), TABLE);
    slots[9] = slot(ago(24) | (ago(8) << 8) | (ago(16) << 16), 77 + (at & 7), TABLE);
    slots[10] = slot(ago(24) | (old << 8), (ago(4) === 0 ? 0 : 1) + 2 * recent, TABLE);
    return flags.code(coder, given, guessSet() + Math.min(7, equal) * 8 + (history & 7)) === 1;
  };

  const difference = (target: Uint8Array, at: number, given: number): number => {
    place = diff1 === 0 ? 0 : Math.min(7, place + 1);
    const old = target[at]!;
    const guessed = guess.difference | (guess.source << 8);
    const bases = [
      mix(diff1 | (place << 8), 11),
      mix(old | (diff1 << 8), 12 + place),
      mix(word(target, at), 13),
      mix(diff1 | (diff2 << 8) | (diff3 << 16), 14),
      mix(old1 | (old2 << 8) | (old3 << 16), 15 + place),
      mix(before[place]! | (before[place + 1]! << 8) | (diff1 << 16), 16 + place),
      mix(diff1 | (diff2 << 8) | (diff3 << 16) | (diff4 << 24), 17 + old),
      mix(guessed | (guess.kind << 10) | (guess.rightSoFar << 14), 31),
      mix(guessed | (diff1 << 16), 33 + guess.place),
      mix(ago(24) | (ago(8) << 8) | (diff1 << 16), 41),
      mix(ago(24) | (ago(16) << 8) | (ago(4) << 16), 43 + place),
    ];
    const set = guessSet();
    const certainty = guess.source * 256 + guess.kind * 32 + guess.place * 8 + guess.rightSoFar * 4 + (guess.trust >> 2);
    let node = 1;
    for (let shift = 7; shift >= 0; shift--) {
      // What is guessed, bit by bit, as long as it has been right: so one guess is as good as another.
      const isRight = node === (guess.difference | 256) >> (shift + 1);
      const bit = isRight ? 1 + ((guess.difference >> shift) & 1) : 0;
      values.slots[BYTE_CONTEXTS] = bit * 1024 + certainty;
      for (let k = 0; k < BYTE_CONTEXTS; k++) values.slots[k] = slot(bases[k]!, node, TABLE);
      node = node * 2 + values.code(coder, (given >> shift) & 1, set + place * 8 + shift);
    }
    const value = node & 255;
    before[place] = value;
    return value;
  };

  return {
    begin: distances.begin,
    release: () => {
      for (const one of [flags, values, runs]) one.release();
    },
    code: (target, start, end, wanted) => {
      for (let at = start; at < end;) {
        const mayRun = equal >= LONG && at % RUN === 0 && at + RUN <= end && !distances.isWithin();
        if (mayRun && isLongRun(target, at, wanted)) {
          equal += RUN;
          at += RUN;
          lastAt += RUN;
          for (let i = 1; i <= RUN; i++) last[(lastAt - i) & 31] = 0;
          [history, diff1, diff2, diff3, diff4] = [0, 0, 0, 0, 0];
          [old1, old2, old3] = [target[at - 1]!, target[at - 2]!, target[at - 3]!];
          continue;
        }
        distances.look(target, at, old1, old2);
        const old = target[at]!;
        const given = wanted ? (wanted[at]! - old) & 255 : 0;
        let value = 0;
        if (isDifferent(target, at, given === 0 ? 0 : 1)) {
          value = difference(target, at, given);
          target[at] = old + value;
          equal = 0;
          history = (history << 1) | 1;
        } else {
          equal++;
          history <<= 1;
        }
        distances.learn(target, at);
        last[lastAt++ & 31] = value;
        [old1, old2, old3] = [old, old1, old2];
        [diff1, diff2, diff3, diff4] = [value, diff1, diff2, diff3];
        at++;
      }
    },
  };
}

function isEqualRun(target: Uint8Array, wanted: Uint8Array, at: number): boolean {
  for (let i = at; i < at + RUN; i++) if (wanted[i] !== target[i]) return false;
  return true;
}

/** The four bytes at a place, as far as there are any. */
const word = (bytes: Uint8Array, at: number): number =>
  (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24);

function mix(a: number, b: number): number {
  let value = Math.imul(a, 0x9e3779b1) ^ Math.imul(b + 0x7f4a7c15, 0x85ebca6b);
  value ^= value >>> 15;
  value = Math.imul(value, 0x2c1b3ce5);
  return value ^ (value >>> 13);
}
const slot = (a: number, b: number, size: number): number => mix(a, b) & (size - 1);
