import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { COLUMNS, cut, plain, wrap } from "./text.ts";

test("nothing that a disk says of itself moves the cursor, rings, or needs more than ASCII", () => {
  assert.equal(plain("a\u001b[2Jb\u0007c\u009b1m\r\nd\u00e9\u202e"), "a?[2Jb?c?1m? d??");
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => assert.match(plain(text), /^[ -~]*$/)));
});

test("lines are broken at blanks, to 79 columns, and nothing of them is lost", () => {
  assert.deepEqual(wrap("short"), ["short"]);
  assert.deepEqual(wrap(`${"x".repeat(70)} ${"y".repeat(20)}`, "  "), ["x".repeat(70), `  ${"y".repeat(20)}`]);
  fc.assert(
    fc.property(fc.string({ maxLength: 400 }), fc.constantFrom("", "    "), (text, indent) => {
      const lines = wrap(text, indent);
      for (const line of lines) assert.ok(line.length < COLUMNS, line);
      assert.equal(lines.join("").replaceAll(" ", ""), plain(text).replaceAll(" ", ""));
    }),
  );
});

test("what is cut says so", () => {
  assert.equal(cut("12345", 5), "12345");
  assert.equal(cut("123456", 5), "12...");
});
