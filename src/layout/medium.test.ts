import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { smallMedium } from "../../tests/support/small-medium.ts";
import { AppError } from "../core/error.ts";
import type { ReadAt } from "./gpt.ts";
import { findOnMedium, isMedium, mediumCommandLine, readMediumDescription } from "./medium.ts";

const readerOf =
  (bytes: Uint8Array): ReadAt =>
  (offset, length) =>
    bytes.subarray(offset, offset + length);
const changed = (from: string, to: string): ReadAt =>
  readerOf(Buffer.from(Buffer.from(smallMedium()).toString("latin1").replace(from, to.padEnd(from.length)), "latin1"));

test("a medium says what it is, and where its files are", () => {
  const read = readerOf(smallMedium());
  assert.ok(isMedium(read));
  assert.deepEqual(readMediumDescription(read), {
    ...{ format: 1, id: "0123456789abcdef0123456789abcdef", name: "my-os", version: "0.1.0" },
    ...{ memory: 1_006_632_960, smallestDisk: 4_853_858_304 },
  });
  const { start, size } = findOnMedium(read, "kernel");
  assert.equal(Buffer.from(read(start, size)).toString(), "k".repeat(3000));
  assert.throws(() => findOnMedium(read, "config"), { code: "MEDIUM_INVALID", message: /there is no machine\.yaml/ });
});

test("another ISO is no medium", () => {
  assert.equal(isMedium(changed("petrify-medium-0", "other-medium-0")), false);
  assert.equal(isMedium(readerOf(new Uint8Array(1000))), false);
});

for (const [what, from, to, message] of [
  ["of a newer format", '"format": 1', '"format": 2', /format 2, and this petrify knows 1/],
  ["without an id", '"id"', '"ib"', /lacks something/],
  ["with a size that is none", '"memory": 1006632960', '"memory": -1', /lacks something/],
  ["with a description that is no JSON", '"format"', "format", /is not JSON/],
  ["without a description", "medium.json", "other.json", /there is no medium\.json/],
] as const) {
  test(`a medium ${what} is refused`, () =>
    assert.throws(() => readMediumDescription(changed(from, to)), { code: "MEDIUM_INVALID", message }));
}

test("a medium with any bytes changed, or cut short, is read or refused", () => {
  const whole = smallMedium();
  const places = fc.oneof(fc.integer({ min: 32_768, max: whole.length - 1 }), fc.nat(whole.length - 1));
  fc.assert(
    fc.property(fc.array(fc.tuple(places, fc.nat(255)), { maxLength: 20 }), fc.nat(whole.length), (changes, end) => {
      const bytes = Uint8Array.from(whole);
      for (const [at, value] of changes) bytes[at] = value;
      for (const part of [bytes, bytes.subarray(0, end)]) {
        isMedium(readerOf(part));
        try {
          readMediumDescription(readerOf(part));
        } catch (error) {
          assert.ok(error instanceof AppError && error.code === "MEDIUM_INVALID", String((error as Error).stack));
        }
      }
    }),
    { numRuns: 500 },
  );
});

test("the command line of a medium is that of a boot from memory, the medium, and that it installs", () => {
  assert.equal(mediumCommandLine("petrify.slot=ram", "0a"), "petrify.slot=ram petrify.medium=0a petrify.installer");
});
