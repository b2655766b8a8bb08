import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { encodeEnvBlock } from "./env-block.ts";
import { BOOT_TARGETS } from "./slots.ts";
import { decodeTries, encodeTries, type Tries } from "./tries.ts";

const count = fc.integer({ min: 0, max: 6 });
const any: fc.Arbitrary<Tries> = fc.record(
  { a: count, b: count, next: fc.constantFrom(...BOOT_TARGETS), args: fc.integer({ min: 1, max: 3 }) },
  { requiredKeys: ["a", "b"], noNullPrototype: true },
);

test("tries are decoded as they were encoded", () => {
  fc.assert(fc.property(any, (tries) => assert.deepEqual(decodeTries(encodeTries(tries)), tries)));
});

const unreadable: readonly [name: string, variables: Record<string, string>][] = [
  ["a slot is missing", { try_a: "3", next: "" }],
  ["next is missing", { try_a: "3", try_b: "3" }],
  ["more tries than a slot can have", { try_a: "7", try_b: "3", next: "" }],
  ["two digits", { try_a: "33", try_b: "3", next: "" }],
  ["a negative number", { try_a: "-1", try_b: "3", next: "" }],
  ["an unknown target", { try_a: "3", try_b: "3", next: "c" }],
];
for (const [name, variables] of unreadable) {
  test(`tries are unreadable when ${name}`, () => assert.equal(decodeTries(encodeEnvBlock(variables)), undefined));
}

test("whatever bit flips, a reader gets tries that are allowed or none, and never throws", () => {
  const block = encodeTries({ a: 3, b: 6, next: "b" });
  for (let bit = 0; bit < block.length * 8; bit++) {
    const copy = Uint8Array.from(block);
    copy[bit >> 3]! ^= 1 << (bit & 7);
    const tries = decodeTries(copy);
    if (tries) assert.doesNotThrow(() => encodeTries(tries));
  }
  for (let length = 0; length < 60; length++)
    assert.equal(decodeTries(block.subarray(0, length))?.next, length < 48 ? undefined : "b");
  fc.assert(fc.property(fc.uint8Array({ maxLength: 1100 }), (bytes) => assert.equal(decodeTries(bytes), undefined)));
});

test("kernel arguments on trial have no tries in a file that says nothing of them, or nothing that can be", () => {
  const tries = { a: 3, b: 6 };
  for (const others of [{}, { try_args: "" }, { try_args: "4" }, { try_args: "0" }, { try_args: "x" }] as Record<
    string,
    string
  >[])
    assert.deepEqual(decodeTries(encodeEnvBlock({ try_a: "3", try_b: "6", next: "", ...others })), tries);
});

test("numbers that GRUB cannot count down are refused", () => {
  for (const a of [-1, 7, 1.5, Number.NaN]) assert.throws(() => encodeTries({ a, b: 0 }));
  assert.throws(() => encodeTries({ a: 0, b: 0, args: 4 }));
});
