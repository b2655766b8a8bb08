/** What a disk may hold after a power cut: every write that a flush has covered, and any of the others, whole or torn. Pure. */
import type { Bytes } from "../../src/core/units.ts";
import type { LogEntry } from "./recorder.ts";

export type Write = Extract<LogEntry, { readonly is: "write" }>;

/** The time between two events that make writes durable. */
export interface Epoch {
  /** Durable from its start on, besides everything of the epochs before; in the order of their acknowledgement. */
  readonly durable: readonly Write[];
  /** Sent to the disk by its end, and not durable: acknowledged ones in their order, then those under way. */
  readonly pool: readonly Write[];
  /** How many of the log's marks had been set by its end. */
  readonly marks: number;
}

/** @returns one more than there are events: what follows the last one is an epoch too */
export function epochsOf(log: readonly LogEntry[]): readonly Epoch[] {
  const epochs: Epoch[] = [];
  const writes = log.flatMap((entry, at) => (entry.is === "write" ? [{ entry, at }] : []));
  let durable: Write[] = [];
  let acknowledged: Write[] = [];
  let flushes = 0;
  let marks = 0;
  const end = (at: number): void => {
    const underWay = writes.filter((write) => write.at > at && write.entry.received <= flushes).map(({ entry }) => entry);
    epochs.push({ durable, pool: [...acknowledged, ...underWay], marks });
  };
  for (const [at, entry] of log.entries()) {
    if (entry.is === "mark") marks++;
    if (entry.is === "write") {
      acknowledged.push(entry);
      if (!entry.fua) continue;
      end(at);
      durable = [entry];
      acknowledged = acknowledged.filter((other) => other !== entry);
    }
    if (entry.is === "flush") {
      end(at);
      durable = acknowledged;
      acknowledged = [];
      flushes++;
    }
  }
  end(log.length);
  return epochs;
}

/** A part of a write that a disk writes as a whole or not at all. */
export interface Piece {
  readonly offset: Bytes;
  readonly data: Uint8Array;
}

/** Which of the pool's writes are on the disk: by place in the pool; which pieces, or all. In ascending order. */
export type Survivors = readonly { readonly write: number; readonly pieces?: readonly number[] }[];

/** @param tear size of the pieces that a write falls into, by its offset */
export function piecesOf({ offset, data }: Write, tear: (offset: Bytes) => Bytes): readonly Piece[] {
  const size = tear(offset);
  const pieces: Piece[] = [];
  for (let at = 0; at < data.length;) {
    const length = Math.min(size - ((offset + at) % size), data.length - at);
    pieces.push({ offset: offset + at, data: data.subarray(at, at + length) });
    at += length;
  }
  return pieces;
}

export interface Choice {
  /** Pieces of each write of the pool; a write without any takes no part. */
  readonly pieces: readonly number[];
  /** Of each write: whether it is bulk data, which takes part in less. */
  readonly bulk: readonly boolean[];
  /** 0 ≤ x < 1 */
  readonly random: () => number;
  /** At most so many are yielded. */
  readonly limit: number;
}

/**
 * What may have survived, the telling ones first: nothing, everything, every prefix; all but one, one alone; single writes torn; pairs and triples of
 * the writes that are no bulk data; then whatever chance makes of it. Some are yielded twice.
 */
export function* survivors({ pieces, bulk, random, limit }: Choice): Generator<Survivors> {
  let left = limit;
  for (const one of unlimited(pieces, bulk, random)) {
    if (left-- <= 0) return;
    yield one;
  }
}

function* unlimited(pieces: readonly number[], bulk: readonly boolean[], random: () => number): Generator<Survivors> {
  const count = pieces.length;
  const all = Array.from({ length: count }, (_, write) => write).filter((write) => pieces[write]! > 0);
  const whole = (writes: readonly number[]): Survivors => writes.map((write) => ({ write }));
  yield [];
  if (all.length === 0) return;
  yield whole(all);
  for (let end = 1; end < all.length; end++) yield whole(all.slice(0, end));
  for (const write of all) {
    yield whole([write]);
    yield whole(all.filter((other) => other !== write));
  }
  const torn = all.filter((write) => pieces[write]! > 1);
  for (const write of torn) {
    const before = all.filter((other) => other < write);
    const others = all.filter((other) => other !== write);
    for (const kept of tears(pieces[write]!, bulk[write]! ? 4 : 64, random)) {
      for (const rest of [[], before, others]) yield withTorn(rest, write, kept);
    }
  }
  const small = all.filter((write) => !bulk[write]);
  const groups: number[][] = [];
  for (const [i, one] of small.entries()) {
    for (const [j, two] of small.slice(i + 1).entries()) {
      groups.push([one, two]);
      for (const three of small.slice(i + j + 2)) groups.push([one, two, three]);
      if (groups.length > 20_000) break;
    }
  }
  for (const group of shuffled(groups, random)) {
    yield whole(group);
    yield whole(all.filter((write) => !group.includes(write)));
  }
  if (all.length === 1 && pieces[all[0]!] === 1) return;
  for (let round = 0; round < CHANCES; round++) {
    const density = random();
    const chosen = all.filter(() => random() < density);
    yield chosen
      .map((write) => {
        const number = pieces[write]!;
        if (number === 1 || random() < 0.5) return { write };
        const kept = Array.from({ length: number }, (_, piece) => piece).filter(() => random() < density);
        return { write, pieces: kept };
      })
      .filter(({ pieces: kept }) => kept?.length !== 0);
  }
}

const CHANCES = 2000;

/** Prefixes, suffixes, single pieces, all but one; and for few pieces every subset. */
function* tears(count: number, most: number, random: () => number): Generator<readonly number[]> {
  const all = Array.from({ length: count }, (_, piece) => piece);
  if (count <= 8 && most >= 64) {
    for (let set = 1; set < 2 ** count - 1; set++) yield all.filter((piece) => (set >> piece) & 1);
    return;
  }
  const sets: (readonly number[])[] = all.flatMap((piece) => [
    ...(piece > 0 ? [all.slice(0, piece), all.slice(piece)] : []),
    [piece],
    all.filter((other) => other !== piece),
  ]);
  yield* shuffled(sets, random).slice(0, most);
}

const withTorn = (whole: readonly number[], write: number, pieces: readonly number[]): Survivors =>
  [...whole.map((other) => ({ write: other })), { write, pieces }].toSorted((a, b) => a.write - b.write);

function shuffled<T>(values: readonly T[], random: () => number): T[] {
  const order = values.map((value) => ({ value, at: random() }));
  return order.toSorted((a, b) => a.at - b.at).map(({ value }) => value);
}

/** Numbers 0 ≤ x < 1 that follow from the seed. Source: mulberry32, public domain. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
