import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { suffixArray } from "./suffix-array.ts";

const naive = (text: Uint8Array): number[] =>
  Array.from(text, (_, i) => i).sort((a, b) => Buffer.compare(text.subarray(a), text.subarray(b)));

test("suffixes are in lexical order", () => {
  for (const text of ["", "a", "aa", "ab", "ba", "banana", "mississippi", "abcabcabcabd", "\0\0\0", "zyxw", "\0\u00ff\0\u00ff"]) {
    const bytes = Buffer.from(text, "latin1");
    assert.deepEqual([...suffixArray(bytes)], naive(bytes), text);
  }
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 300 }),
        fc.uint8Array({ maxLength: 300, max: 1 }),
        fc.uint8Array({ maxLength: 300, max: 3 }),
      ),
      (bytes) => {
        assert.deepEqual([...suffixArray(bytes)], naive(bytes));
      },
    ),
  );
});
