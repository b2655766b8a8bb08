import assert from "node:assert/strict";
import { test } from "node:test";
import { editDistance, nearest } from "./nearest.ts";

test("editDistance() counts insertions, deletions, changes and swaps of neighbours", () => {
  const table: [string, string, number][] = [
    ["", "", 0],
    ["", "ab", 2],
    ["flavor", "flavour", 1],
    ["untis", "units", 1],
    ["kitten", "sitting", 3],
    ["ca", "abc", 3],
  ];
  for (const [a, b, want] of table) {
    assert.equal(editDistance(a, b), want, `${a} → ${b}`);
    assert.equal(editDistance(b, a), want, `${b} → ${a}`);
  }
});

test("nearest() finds what was meant and nothing far away", () => {
  const known = ["packages", "persistent", "kernel", "units"];
  for (const [word, want] of [
    ["pakages", "packages"],
    ["Kernel", "kernel"],
    ["unit", "units"],
    ["zebra", undefined],
    ["a".repeat(1e6), undefined],
  ] as const) {
    assert.equal(nearest(word, known), want);
  }
});
