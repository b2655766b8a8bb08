import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { byteRange } from "./byte-range.ts";

const CASES: readonly (readonly [header: string | undefined, answer: ReturnType<typeof byteRange>])[] = [
  [undefined, "whole"],
  ["bytes=0-0", { start: 0, end: 1 }],
  ["bytes=10-", { start: 10, end: 100 }],
  ["bytes=90-1000", { start: 90, end: 100 }],
  ["bytes=-10", { start: 90, end: 100 }],
  ["bytes=-1000", { start: 0, end: 100 }],
  ["bytes=99-99", { start: 99, end: 100 }],
  ["bytes=100-", "none"],
  ["bytes=-0", "none"],
  ["bytes=5-4", "whole"],
  ["bytes=-", "whole"],
  ["bytes=0-1,5-6", "whole"],
  ["lines=0-1", "whole"],
  ["bytes=a-b", "whole"],
];
for (const [header, answer] of CASES) {
  test(`of 100 bytes, ${header ?? "no range"} is ${JSON.stringify(answer)}`, () =>
    assert.deepEqual(byteRange(header, 100), answer));
}

test("whatever is asked for, an answer lies within the file and has a byte", () => {
  const header = fc.oneof(
    fc.string(),
    fc.tuple(fc.bigInt({ min: 0n }), fc.bigInt({ min: 0n })).map(([a, b]) => `bytes=${a}-${b}`),
  );
  fc.assert(
    fc.property(header, fc.nat(), (text, size) => {
      const range = byteRange(text, size);
      return typeof range === "string" || (range.start >= 0 && range.start < range.end && range.end <= size);
    }),
  );
});
