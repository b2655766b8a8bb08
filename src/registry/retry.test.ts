import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseRetryAfter, retryDelay } from "./retry.ts";

test("each try waits longer than the one before, to half a minute, and no two nodes the same", () => {
  const waits = (random: number): unknown =>
    [1, 2, 3, 4, 5, 6, 7, 8, 1000].map((failures) => retryDelay(failures, random, undefined));
  assert.deepEqual(waits(0), [250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
  assert.deepEqual(waits(1), [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
});

test("what the server asks for is waited for, up to five minutes", () => {
  assert.equal(retryDelay(1, 0, 10_000), 10_250);
  assert.equal(retryDelay(1, 0, 300_000), 300_250);
  assert.equal(retryDelay(1, 0, 300_001), undefined);
});

const DATE = "Sun, 06 Nov 1994 08:49:37 GMT";
for (const [field, date, expected] of [
  [undefined, DATE, undefined],
  ["120", DATE, 120_000],
  ["0", undefined, 0],
  ["Sun, 06 Nov 1994 08:50:07 GMT", DATE, 30_000],
  ["Sun, 06 Nov 1994 08:40:07 GMT", DATE, 0],
  ["Sun, 06 Nov 1994 08:50:07 GMT", undefined, undefined],
  ["-1", undefined, undefined],
  ["soon", DATE, undefined],
] as const) {
  test(`Retry-After ${field} is ${expected} ms`, () => assert.equal(parseRetryAfter(field, date), expected));
}

test("whatever Retry-After says is a time or none", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (field, date) => {
      const ms = parseRetryAfter(field, date);
      assert.ok(ms === undefined || ms >= 0);
    }),
  );
});
