import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { AppError } from "../core/error.ts";
import type { ReadAt } from "./gpt.ts";
import { findOnMedium, isMedium, mediumCommandLine, readMediumDescription } from "./medium.ts";

/** By `xorriso -as mkisofs -R -volset petrify-medium-…` 1.5.6, of the files medium.json and vmlinuz; gzip, base64. */
const SMALL =
  "H4sIAAAAAAACA+3Yy24bVRgA4DECEbkVQi2wQCymFuwaa8ZJ3ARWrjMmA7bHmrGrlk2bNo4UWicoaSuVm1QJiaforg9RseCNIh4BxnFCmxQ1QgWpar9Pts/tP+fMxdb4nCAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACrt1SiKK0F4ikEyzNPOteu9ZDUd9Z5vPxrvt2PJC+YtX9N3MDcXVGdV1Q+eNn84/agF52alc8HcNJkLfj7z0Ttvfxa8ddT/u/Hd3a3NB/OT8cbWvcl8FDcWFpeal5ZX1m/e2hhvniyHr5urWZ6nRTYf15fqzbARNRbqUbMeXarHy1F5Wy+G3fRy2X55lPdnMUc1neKZ8tPmkBcpL3AzjhtR1IjjuLzAwXMV0QnPV5z+U+P15qHDK+PPw+c/APDm+OXUNXYxeLfy+x/B4Oqnlf3WNKS1X/l7DX/csPNx5b3D/seTdvJJ5fws6PxR9P5RcuO0Y6i83OQ/BhdmIRcezdJHhw2H+xBnZ5sa9a+K7Iv44EQfP5y2PXz87+fq996vBLPtiPq3ezvb94ParEvtyZlpcubJ8bmrV3rdtD/6pv4fzHy2Etyf3Nnavve97zUAL5bk+5Xq8NdKnqeD6/HKStwariVhnrW/DvN09cskTPvDJG+vtfplfpBnw6yddaeZK+lqUoTFaDDI8mHYyfJwkBXp1bCTdpOwuFYMk15YJL1Wf5i2i0E3aRVJ2M76w1Z7GK6mRTscjC5302ItyQ86F4OknXbSdmuYZv2wyEZ5O6mH5QjJM4HllOVwnXSa7ZcHkfZa+bXwStYd9ZKwPJx2eRLDbDbg0Vxpvyz1Doatu90AcLjAPPdPy0wA4LV+/gfTfXd/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA4CX8UA3D2ubO7mT9bu3zML44LW5tlNlaFDcWFpeal5ZX1m/e2hhvnizXDmK31yfjafTkwfzO3qzq/nh3b2tn+2CMelyPZrWT8WRn98F0jihqNhcaK83ooH5vsn7nznjv7urW3u2ydXF5aWF5aXkhWqz+VHV7AOB/cRsAAHjlWbkAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA8Cb6CwR2CQ0A0AUA";
const medium = (): Uint8Array => gunzipSync(Buffer.from(SMALL, "base64"));
const readerOf =
  (bytes: Uint8Array): ReadAt =>
  (offset, length) =>
    bytes.subarray(offset, offset + length);
const changed = (from: string, to: string): ReadAt =>
  readerOf(Buffer.from(Buffer.from(medium()).toString("latin1").replace(from, to.padEnd(from.length)), "latin1"));

test("a medium says what it is, and where its files are", () => {
  const read = readerOf(medium());
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
  const whole = medium();
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
