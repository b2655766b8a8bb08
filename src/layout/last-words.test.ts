import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeLastWords, encodeLastWords } from "./last-words.ts";
import { LAST_WORDS_SIZE } from "./record.ts";

test("what a failing boot leaves is read back", () => {
  const words = { slot: "a", reason: "the disk was not found", log: "[ 0.1] line\n[ 0.2] line\n" };
  assert.deepEqual(decodeLastWords(encodeLastWords(words)), words);
});

test("a boot that does not know its slot leaves its reason all the same", () => {
  assert.deepEqual(decodeLastWords(encodeLastWords({ reason: "x\ny", log: "" })), { reason: "x y", log: "" });
});

test("of a long log the end is kept, and the area is not overrun", () => {
  const log = `${"early\n".repeat(30_000)}the last line\n`;
  const bytes = encodeLastWords({ slot: "b", reason: "r".repeat(5000), log });
  assert.equal(bytes.length, LAST_WORDS_SIZE);
  assert.match(decodeLastWords(bytes)!.log, /the last line\n$/);
});

test("any log and reason fit, in whole blocks", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary", maxLength: 3000 }), (reason, log) => {
      const bytes = encodeLastWords({ slot: "a", reason, log });
      assert.equal(bytes.length % 4096, 0);
      assert.equal(decodeLastWords(bytes)?.slot, "a");
    }),
  );
});

test("no damaged byte passes for last words", () => {
  const bytes = encodeLastWords({ slot: "a", reason: "why", log: "log\n" });
  const length = latin1(bytes).lastIndexOf("log\n") + 4;
  for (let at = 0; at < length; at++) {
    const damaged = bytes.slice();
    damaged[at]! ^= 0x10;
    assert.equal(decodeLastWords(damaged), undefined, `byte ${at}`);
  }
  assert.equal(decodeLastWords(new Uint8Array(4096)), undefined);
  assert.equal(decodeLastWords(bytes.subarray(0, 20)), undefined);
});

const latin1 = (bytes: Uint8Array): string => String.fromCharCode(...bytes);
