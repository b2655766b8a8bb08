import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { IDENTITY_OFFSETS, IDENTITY_SIZE } from "./identity.ts";
import { decodeInstallMark, encodeInstallMark, INSTALL_MARK_OFFSET, INSTALL_MARK_SIZE } from "./install-mark.ts";
import { SEED_OFFSET, SEED_SIZE } from "./random-seed.ts";
import { LAST_WORDS_OFFSET, LAST_WORDS_SIZE, RECORD_BLOCK_SIZE, RECORD_COPY_OFFSETS } from "./record.ts";
import { CLOCK_OFFSET, CLOCK_SIZE } from "./stored-clock.ts";

const SOURCE = "medium:0123456789abcdef0123456789abcdef+config:aa";

test("a mark comes back as it was put in, and a flipped bit makes it none", () => {
  const block = encodeInstallMark(SOURCE);
  assert.equal(block.length, INSTALL_MARK_SIZE);
  assert.equal(decodeInstallMark(block), SOURCE);
  fc.assert(
    fc.property(fc.nat(80), fc.nat(7), (at, bit) => {
      assert.equal(decodeInstallMark(block.with(at, block[at]! ^ (1 << bit))), undefined);
    }),
  );
});

test("whatever is there, nothing is thrown, and no text that would move a cursor comes of it", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 5000 }), (block) => void decodeInstallMark(block)));
  assert.throws(() => encodeInstallMark("a\x1b[2J"));
  assert.throws(() => encodeInstallMark(""));
});

test("nothing else lies where the mark is", () => {
  const others = [
    ...RECORD_COPY_OFFSETS.map((at) => [at, RECORD_BLOCK_SIZE]),
    ...IDENTITY_OFFSETS.map((at) => [at, IDENTITY_SIZE]),
    [CLOCK_OFFSET, CLOCK_SIZE],
    [SEED_OFFSET, SEED_SIZE],
    [LAST_WORDS_OFFSET, LAST_WORDS_SIZE],
  ] as const;
  for (const [at, size] of others) {
    assert.ok(INSTALL_MARK_OFFSET >= at + size || at >= INSTALL_MARK_OFFSET + INSTALL_MARK_SIZE, `${at}`);
  }
});
