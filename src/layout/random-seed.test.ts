import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeSeed, encodeSeed, SEED_BYTES, SEED_SIZE } from "./random-seed.ts";

test("a seed is read back from one block, and no other block is one", () => {
  const seed = Uint8Array.from({ length: SEED_BYTES }, (_, index) => (index * 37) % 256);
  const block = encodeSeed(seed);
  assert.equal(block.length, SEED_SIZE);
  assert.deepEqual(decodeSeed(block), seed);
  const used = block.lastIndexOf(10) + 1;
  for (let at = 0; at < used; at++) {
    const changed = block.slice();
    changed[at]! ^= 4;
    assert.equal(decodeSeed(changed), undefined, `byte ${at}`);
  }
  assert.equal(decodeSeed(new Uint8Array(SEED_SIZE)), undefined);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 5000 }), (bytes) => decodeSeed(bytes) === undefined));
});
