import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { AppError } from "../../core/error.ts";
import { commandWriter, type Command } from "./commands.ts";
import { movedBy, movesOf } from "./moves.ts";

function commandsOf(list: readonly Command[], start = 0): Uint8Array {
  const writer = commandWriter();
  let at = start;
  for (const command of list) {
    writer.write(at, command);
    at += command.length;
  }
  return writer.bytes();
}

const list: readonly Command[] = [
  { kind: "copy", length: 100, from: 5000 },
  { kind: "add", length: 7 },
  { kind: "change", length: 100, from: 1000 },
  { kind: "change", length: 31, from: 20 },
  { kind: "zero", length: 50 },
  { kind: "copy", length: 32, from: 1000 },
];
const moves = movesOf(commandsOf(list, 4096), 4096);

test("runs of old bytes are known by where they lay; those of less than 32 bytes are not", () => {
  assert.deepEqual([...moves.from], [1000, 1000, 5000]);
  assert.deepEqual([...moves.by], [4096 + 107 - 1000, 4096 + 288 - 1000, 4096 - 5000]);
});

test("a place moved as the last run that begins before it", () => {
  const first = 4096 + 288 - 1000;
  for (const [place, by] of [
    [999, undefined],
    [-1, undefined],
    [1000, first],
    [1099, first],
    [4999, first],
    [5000, 4096 - 5000],
    [2 ** 45, 4096 - 5000],
  ] as const) {
    assert.equal(movedBy(moves, place), by, String(place));
  }
});

test("a delta of millions of runs has no more than 65,536 remembered", () => {
  const many = Array.from({ length: 70_000 }, (_, index): Command => ({ kind: "copy", length: 32, from: 64 * index }));
  const { from, by } = movesOf(commandsOf(many), 0);
  assert.deepEqual([from.length, by.length, from.at(-1)], [65_536, 65_536, 64 * 65_535]);
});

test("whatever the bytes, they are moves, or refused", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(2 ** 31), (bytes, start) => {
      try {
        const { from, by } = movesOf(bytes, start);
        assert.ok([...from, ...by].every(Number.isFinite));
        assert.ok(from.every((place, index) => index === 0 || from[index - 1]! <= place));
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        assert.equal(error.code, "DELTA_INVALID");
      }
    }),
  );
});
