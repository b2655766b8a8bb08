import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isoVolume, ISO_VOLUMES } from "../../tests/support/iso-volumes.ts";
import { AppError } from "../core/error.ts";
import type { ReadAt } from "./gpt.ts";
import { findInIso, isoLabel } from "./iso9660.ts";

const readerOf =
  (bytes: Uint8Array): ReadAt =>
  (offset, length) =>
    bytes.subarray(offset, offset + length);

for (const name of ISO_VOLUMES) {
  test(`label and file of a volume are read: ${name}`, () => {
    const bytes = isoVolume(name);
    const read = readerOf(bytes);
    assert.equal(isoLabel(read)?.toLowerCase(), "cidata");
    const { start, size } = findInIso(read, "user-data");
    assert.equal(Buffer.from(read(start, size)).toString(), "#cloud-config\ninstall:\n  device: auto\n");
    assert.deepEqual(findInIso(read, "USER-DATA"), { start, size });
    for (const none of ["network-config", "", "."]) assert.throws(() => findInIso(read, none), { code: "ISO_FILE_MISSING" });
  });
}

test("what is no such volume has no label", () => {
  for (const bytes of [new Uint8Array(), new Uint8Array(100_000), new Uint8Array(40_000).fill(1)]) {
    assert.equal(isoLabel(readerOf(bytes)), undefined);
    assert.throws(() => findInIso(readerOf(bytes), "user-data"), { code: "ISO_INVALID" });
  }
});

test("a volume with any bytes changed, or cut short, is read or refused", () => {
  const whole = isoVolume("genisoimage -V CIDATA -J -r");
  const places = fc.oneof(fc.integer({ min: 32_768, max: 40_000 }), fc.nat(whole.length - 1));
  fc.assert(
    fc.property(fc.array(fc.tuple(places, fc.nat(255)), { maxLength: 20 }), fc.nat(whole.length), (changes, end) => {
      const bytes = Uint8Array.from(whole);
      for (const [at, value] of changes) bytes[at] = value;
      for (const part of [bytes, bytes.subarray(0, end)]) {
        try {
          isoLabel(readerOf(part));
          findInIso(readerOf(part), "user-data");
        } catch (error) {
          assert.ok(error instanceof AppError && error.code.startsWith("ISO_"), String((error as Error).stack));
        }
      }
    }),
    { numRuns: 1000 },
  );
});
