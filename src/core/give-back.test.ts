import assert from "node:assert/strict";
import { test } from "node:test";
import { giveBack } from "./give-back.ts";
import { MiB } from "./units.ts";

test("large bytes are empty when they were given back, a second time too; small ones stay, since others may have the same memory", () => {
  const large = new Uint8Array(2 * MiB);
  const part = large.subarray(5, 10);
  giveBack(part);
  assert.deepEqual([large.length, part.length], [0, 0]);
  giveBack(large);
  const small = new Uint8Array(1000);
  giveBack(small);
  assert.equal(small.length, 1000);
});
