/**
 * @portable Predicts a bit from several contexts, by mixing what each has seen follow it (logistic mixing).
 * Source: Mahoney, "Data Compression Explained", 4.3.2; squash and stretch of lpaq1. Only additions, multiplications and tables: the same on every machine.
 */
import { giveBack } from "../../core/give-back.ts";
import type { BitCoder } from "./bit-coder.ts";

export interface Mixer {
  /** Slots of this many, one for each context, in its own table: to be set before each bit. */
  readonly slots: Int32Array;
  /** Codes one bit with what the slots predict, and learns it. @param weights which set of weights, of those there are */
  readonly code: (coder: BitCoder, bit: number, weights: number) => number;
  /** Gives its tables back: nothing is coded any more. */
  readonly release: () => void;
}

/** Chances of 4096 at every 128th of the logistic function. */
const CURVE = [
  1, 2, 3, 6, 10, 16, 27, 45, 73, 120, 194, 310, 488, 747, 1101, 1546, 2047, 2549, 2994, 3348, 3607, 3785, 3901, 3975, 4022, 4050,
  4068, 4079, 4085, 4089, 4092, 4093, 4094,
];
const END = 2047;

/** ln(x / (1 - x)) × 256 to a chance of 4096. */
function squash(value: number): number {
  const part = value & 127;
  const index = (value >> 7) + 16;
  return (CURVE[index]! * (128 - part) + CURVE[index + 1]! * part + 64) >> 7;
}
const STRETCH = stretchTable();
function stretchTable(): Float64Array {
  const table = new Float64Array(4096).fill(END);
  let next = 0;
  for (let value = -END; value <= END; value++) {
    for (const chance = squash(value); next <= chance; next++) table[next] = value;
  }
  return table;
}

/** A context believes what it saw last by one part in so many, at the most. */
const SLOWEST = 30;
const RATE = Float64Array.from({ length: SLOWEST + 1 }, (_, seen) => 1 / (seen + 1.6));
const LEARNING = 1.2e-8;

/**
 * @param tables of each context, how many slots it has
 * @param sets of weights
 */
export function mixer(tables: readonly number[], sets: number): Mixer {
  const contexts = tables.length;
  const starts = Int32Array.from(tables, (_, k) => tables.slice(0, k).reduce((sum, size) => sum + size, 0));
  const size = tables.reduce((sum, one) => sum + one, 0);
  const chances = new Uint16Array(size).fill(32_768);
  const seen = new Uint8Array(size);
  const weights = new Float64Array(sets * contexts).fill(0.3);
  const stretched = new Float64Array(contexts);
  const slots = new Int32Array(contexts);
  return {
    slots,
    code: (coder, given, set) => {
      const own = set * contexts;
      let sum = 0;
      for (let k = 0; k < contexts; k++) {
        const value = STRETCH[chances[starts[k]! + slots[k]!]! >> 4]!;
        stretched[k] = value;
        sum += weights[own + k]! * value;
      }
      const chance = squash(Math.trunc(Math.max(-END, Math.min(END, sum))));
      const bit = coder.code(given, chance * 16 + 8);
      const error = ((bit << 12) - chance) * LEARNING;
      const target = bit === 1 ? 65_535 : 0;
      for (let k = 0; k < contexts; k++) {
        weights[own + k]! += error * stretched[k]!;
        const slot = starts[k]! + slots[k]!;
        chances[slot]! += Math.trunc((target - chances[slot]!) * RATE[seen[slot]!]!);
        if (seen[slot]! < SLOWEST) seen[slot]!++;
      }
      return bit;
    },
    release: () => {
      for (const table of [chances, seen]) giveBack(table);
    },
  };
}
