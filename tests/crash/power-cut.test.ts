import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { epochsOf, piecesOf, seededRandom, survivors, type Survivors, type Write } from "./power-cut.ts";
import type { LogEntry } from "./recorder.ts";

const write = (offset: number, received: number, fua = false): Write => ({
  ...{ is: "write", offset, received, fua },
  data: new Uint8Array(512),
});
const flush: LogEntry = { is: "flush" };
const mark = (text: string): LogEntry => ({ is: "mark", text });
const offsets = (writes: readonly Write[]): number[] => writes.map(({ offset }) => offset);
const epochs = (log: readonly LogEntry[]): unknown[] =>
  epochsOf(log).map(({ durable, pool, marks }) => [offsets(durable), offsets(pool), marks]);

test("a flush makes durable what was acknowledged before it; what was under way may have survived before and after", () => {
  const log = [write(0, 0), write(512, 0), flush, write(1024, 0), mark("stored"), write(1536, 1), flush];
  assert.deepEqual(epochs(log), [
    [[], [0, 512, 1024], 0],
    [[0, 512], [1024, 1536], 1],
    [[1024, 1536], [], 1],
  ]);
});

test("a write that forces its way makes nothing but itself durable", () => {
  const log = [write(0, 0), write(512, 0, true), write(1024, 0), flush];
  assert.deepEqual(epochs(log), [
    [[], [0, 512, 1024], 0],
    [[512], [0, 1024], 0],
    [[0, 1024], [], 0],
  ]);
});

test("a write falls into pieces at the borders of what a disk writes as a whole", () => {
  const long: Write = { ...write(512, 0), data: new Uint8Array(9000) };
  const sizes = (size: number): number[] => piecesOf(long, () => size).map(({ data }) => data.length);
  assert.deepEqual(sizes(4096), [3584, 4096, 1320]);
  assert.equal(sizes(512).length, 18);
});

const chosen = (pieces: readonly number[], limit = 100_000): Survivors[] => [
  ...survivors({ pieces, bulk: pieces.map(() => false), random: seededRandom(1), limit }),
];
const key = (one: Survivors, pieces: readonly number[]): string =>
  JSON.stringify(one.map(({ write: at, pieces: of }) => [at, of ?? Array.from({ length: pieces[at]! }, (_, i) => i)]));

test("of a few writes every subset survives somewhere, and of a torn one every subset of its pieces", () => {
  const whole = [1, 1, 1, 1, 1];
  assert.equal(new Set(chosen(whole).map((one) => key(one, whole))).size, 2 ** 5);
  const torn = [8];
  assert.equal(new Set(chosen(torn).map((one) => key(one, torn))).size, 2 ** 8);
});

test("pairs and triples of ten writes are all there", () => {
  const pieces = Array<number>(10).fill(1);
  const found = new Set(chosen(pieces).map((one) => key(one, pieces)));
  for (let a = 0; a < 10; a++)
    for (let b = a + 1; b < 10; b++)
      for (let c = b + 1; c < 10; c++) assert.ok(found.has(key([{ write: a }, { write: b }, { write: c }], pieces)));
});

test("the same seed gives the same states, in ascending order, and none beyond the limit", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 8 }),
      fc.integer({ min: 1, max: 200 }),
      (pieces, limit) => {
        const all = chosen(pieces, limit);
        assert.deepEqual(chosen(pieces, limit), all);
        assert.ok(all.length <= limit);
        for (const one of all) {
          for (const [at, { write: number, pieces: of }] of one.entries()) {
            assert.ok(pieces[number]! > 0 && (at === 0 || one[at - 1]!.write < number));
            assert.ok(!of || of.every((piece) => piece < pieces[number]!));
          }
        }
      },
    ),
  );
});
