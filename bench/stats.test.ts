import assert from "node:assert/strict";
import { test } from "node:test";
import { pairRatios, percentile, spread } from "./stats.ts";

test("the median of an even number of runs lies between the two in the middle", () => {
  assert.deepEqual(spread([4, 1, 10, 2]), { median: 3, min: 1, max: 10 });
});

test("the median of an odd number of runs is the one in the middle, in whatever order they came", () => {
  assert.deepEqual(spread([9, 1, 5]), { median: 5, min: 1, max: 9 });
});

test("ratios are taken pair by pair, so a slow hour that both saw does not count", () => {
  assert.deepEqual(pairRatios([10, 100, 12], [20, 200, 20]), { median: 0.5, min: 0.5, max: 0.6 });
});

test("no runs, and runs without their pair, are refused", () => {
  assert.throws(() => spread([]), { code: "NOTHING_MEASURED" });
  assert.throws(() => pairRatios([1, 2], [1]), { code: "RUNS_UNPAIRED" });
});

test("a percentile is the value that no more than its share of them reaches", () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
  for (const [share, value] of [
    [0, 1],
    [0.5, 50],
    [0.99, 99],
    [1, 100],
  ] as const)
    assert.equal(percentile(hundred, share), value);
  assert.throws(() => percentile([], 0.5), { code: "NOTHING_MEASURED" });
});
