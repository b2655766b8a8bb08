import assert from "node:assert/strict";
import { test } from "node:test";
import { commandWriter } from "./commands.ts";
import { distanceGuesser } from "./distances.ts";
import { movesOf } from "./moves.ts";

/** What lay from 0 on lies at 1000; what lay from 400 on moved by 16 more. */
const moves = (() => {
  const writer = commandWriter();
  writer.write(1000, { kind: "change", length: 400, from: 0 });
  writer.write(1400, { kind: "add", length: 16 });
  writer.write(1416, { kind: "copy", length: 600, from: 400 });
  return movesOf(writer.bytes(), 1000);
})();
const distanceIn = (bytes: readonly number[], distance: number): Buffer => {
  const code = Buffer.from([...bytes, 0, 0, 0, 0, 0x90]);
  code.writeInt32LE(distance, bytes.length);
  return code;
};
const PLACE = 101;

/** Looks at each byte as the model does; the new ones are those that `wanted` has. */
function guesses(
  old: Buffer,
  wanted: Buffer,
  guesser = distanceGuesser(moves),
): { kind: number; source: number; bytes: number[] } {
  guesser.begin(PLACE, PLACE + 1000);
  const target = Buffer.from(old);
  const seen = { kind: 0, source: 0, bytes: [] as number[] };
  for (let at = 0; at < target.length; at++) {
    guesser.look(target, at, old[at - 1] ?? 0, old[at - 2] ?? 0);
    if (guesser.guess.kind !== 0) {
      seen.kind = guesser.guess.kind;
      seen.source = guesser.guess.source;
      seen.bytes.push(guesser.guess.difference);
    }
    target[at] = wanted[at]!;
    guesser.learn(target, at);
  }
  return seen;
}

for (const [name, code, kind] of [
  ["a call", [0xe8], 1],
  ["a jump", [0xe9], 2],
  ["a jump with a condition", [0x0f, 0x84], 3],
  ["data beside code", [0x48, 0x8d, 0x05], 4],
] as const) {
  test(`${name} across what was inserted is guessed from where both ends went`, () => {
    const old = distanceIn(code, 400);
    assert.deepEqual(guesses(old, distanceIn(code, 416)), { kind, source: 1, bytes: [16, 0, 0, 0] });
  });
}

test("what stays on one side keeps its distance", () => {
  assert.deepEqual(guesses(distanceIn([0xe8], 50), distanceIn([0xe8], 50)).bytes, [0, 0, 0, 0]);
});

test("a carry goes on to the next byte", () => {
  assert.deepEqual(guesses(distanceIn([0xe8], 510), distanceIn([0xe8], 526)).bytes, [16, 1, 0, 0]);
});

test("a place that a distance led to before is known from it, and not from the commands", () => {
  const guesser = distanceGuesser(moves);
  const [old, wanted] = [distanceIn([0xe8], 400), distanceIn([0xe8], 430)];
  assert.deepEqual(guesses(old, wanted, guesser), { kind: 1, source: 1, bytes: [16, 0, 0, 0] });
  assert.deepEqual(guesses(old, wanted, guesser), { kind: 1, source: 2, bytes: [30, 0, 0, 0] });
});

test("nothing is guessed of what leads before all that is known, or is cut off", () => {
  assert.deepEqual(guesses(distanceIn([0xe8], -5000), distanceIn([0xe8], -5000)).source, 0);
  const cut = distanceIn([0xe8], 500).subarray(0, 4);
  assert.deepEqual(guesses(cut, cut).kind, 0);
});

test("a run of bytes is likely to change where one of its calls does", () => {
  const guesser = distanceGuesser(moves);
  guesser.begin(PLACE, PLACE + 1000);
  const run = (distance: number): Buffer =>
    Buffer.concat([Buffer.alloc(6, 0x90), distanceIn([0xe8], distance), Buffer.alloc(10, 0x90)]);
  assert.equal(guesser.changesIn(run(500), 0, 16, 0x90, 0x90), 1);
  assert.equal(guesser.changesIn(run(50), 0, 16, 0x90, 0x90), 0);
  assert.equal(guesser.changesIn(run(500), 8, 8, 0x90, 0x90), 0);
});
