import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { shortLine } from "./short-line.ts";

test("whatever is said becomes one short line without control characters", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 2000 }), (text) => {
      const line = shortLine(text);
      assert.ok(line.length <= 400);
      assert.doesNotMatch(line, /\p{Cc}|\n/u);
    }),
  );
});

test("what is short already stays as it is", () => {
  assert.equal(shortLine("the disk is full: 1 % left"), "the disk is full: 1 % left");
  assert.equal(shortLine(" a\n\x1b[2Jb\t"), "a [2Jb");
  assert.match(shortLine("x".repeat(500)), /^x{399}…$/);
});
