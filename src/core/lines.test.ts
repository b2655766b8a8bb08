import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { lineReader } from "./lines.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test("lines are whole, however the bytes were cut", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "binary" })), fc.array(fc.nat(50)), (texts, cuts) => {
      const sent = texts.map((text) => text.replaceAll("\n", "").replace(/^\ufeff+/, ""));
      const whole = bytes(sent.map((text) => `${text}\n`).join(""));
      const read = lineReader(10_000);
      const lines = [];
      let at = 0;
      for (const cut of [...cuts, whole.length]) lines.push(...read(whole.subarray(at, (at += cut))));
      assert.deepEqual(
        lines,
        sent.map((text) => ({ text: text.toWellFormed() })),
      );
    }),
  );
});

test("a line that is too long is said to be, in whatever pieces it came, and the next one is read", () => {
  const read = lineReader(4);
  assert.deepEqual(read(bytes("1234\n12345\nab")), [{ text: "1234" }, { tooLong: true }]);
  assert.deepEqual(read(bytes("cdefgh")), []);
  assert.deepEqual(read(bytes("i\nok\n")), [{ tooLong: true }, { text: "ok" }]);
});

test("what is no UTF-8 is replaced, not refused", () => {
  assert.deepEqual(lineReader(9)(Uint8Array.of(0x61, 0xff, 0x0a)), [{ text: "a\ufffd" }]);
});
