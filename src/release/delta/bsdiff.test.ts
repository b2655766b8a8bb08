import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { noise } from "../../../tests/support/small-image.ts";
import { similarParts } from "./bsdiff.ts";

const coveredBy = (old: Uint8Array, text: Uint8Array): { covered: number; same: number } => {
  let [end, covered, same] = [0, 0, 0];
  for (const { at, from, length } of similarParts(old, text)) {
    assert.ok(length > 0 && at >= end && from >= 0 && from + length <= old.length, "a match lies within both");
    end = at + length;
    covered += length;
    for (let i = 0; i < length; i++) if (old[from + i] === text[at + i]) same++;
  }
  assert.ok(end <= text.length);
  return { covered, same };
};

test("matches lie in the order of the new text and within the old one, and most of each is the same", () => {
  const texts = fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ maxLength: 400, max: 2 }));
  fc.assert(
    fc.property(texts, texts, (old, text) => {
      const { covered, same } = coveredBy(old, text);
      assert.ok(same * 2 >= covered, `${same} of ${covered} bytes are the same`);
    }),
  );
});

test("what was moved, inserted and changed here and there is found", () => {
  const old = noise(300_000, "old");
  const changed = Uint8Array.from(old);
  for (let at = 500; at < changed.length; at += 1000) changed[at]! ^= 1;
  const text = Buffer.concat([changed.subarray(200_000), noise(5000, "new"), changed.subarray(0, 200_000)]);
  const { covered, same } = coveredBy(old, text);
  assert.ok(covered >= 299_900 && covered <= 300_100, `${covered}`);
  assert.ok(covered - same <= 320, `${covered - same} bytes differ`);
});

test("a text that repeats itself takes no time squared", () => {
  const zeros = new Uint8Array(2_000_000);
  const text = Uint8Array.from(zeros);
  for (let at = 100; at < text.length; at += 10_007) text[at] = 1;
  const { covered } = coveredBy(zeros, text);
  assert.ok(covered > 1_900_000);
});
