import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fakeKernel } from "../../tests/support/fake-kernel.ts";
import { readBzImage } from "./bzimage.ts";

const changed = (change: (view: DataView) => void): Uint8Array => {
  const bytes = fakeKernel("6.12.48+deb13-cloud-amd64");
  change(new DataView(bytes.buffer, bytes.byteOffset));
  return bytes;
};

for (const version of ["6.12.48+deb13-cloud-amd64", "6.1.0-0-lts", "6.17.4-300.fc43.x86_64", "5.15", `6.1.0-${"x".repeat(58)}`]) {
  test(`a kernel says that its version is ${version}`, () => assert.deepEqual(readBzImage(fakeKernel(version)), { version }));
}

for (const [what, bytes, problem] of [
  ["nothing", new Uint8Array(), /no bzImage/],
  ["a text", new TextEncoder().encode("#!/bin/sh\n".repeat(200)), /no bzImage/],
  ["a boot sector of something else", changed((view) => view.setUint32(0x202, 0)), /no bzImage/],
  ["a file that was cut off", fakeKernel("6.1").subarray(0, 0x230), /no bzImage/],
  ["a zImage", changed((view) => view.setUint8(0x211, 0)), /an older zImage/],
  ["a kernel for 32 bits", changed((view) => view.setUint16(0x236, 0, true)), /not a 64-bit kernel/],
  ["a kernel without a version", changed((view) => view.setUint16(0x20e, 0, true)), /does not say its version/],
  ["a version outside of the header's part", changed((view) => view.setUint8(0x1f1, 1)), /does not say its version/],
  ["a version of other characters", fakeKernel("../../etc"), /does not say its version/],
  ["a version that is too long", fakeKernel("6.".repeat(40)), /does not say its version/],
] as const) {
  test(`${what} is refused`, () => assert.match((readBzImage(bytes) as { problem: string }).problem, problem));
}

test("whatever the bytes are, there is an answer, and a version is a name of a folder", () => {
  const mutated = fc.array(fc.tuple(fc.nat(4095), fc.nat(255)), { maxLength: 20 }).map((edits) => {
    const bytes = fakeKernel("6.12.48");
    for (const [at, value] of edits) bytes[at] = value;
    return bytes;
  });
  const cut = fc.nat(4096).map((length) => fakeKernel("6.12.48").subarray(0, length));
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 2000 }), mutated, cut), (bytes) => {
      const read = readBzImage(bytes);
      if ("version" in read) assert.match(read.version, /^[A-Za-z0-9][A-Za-z0-9._+~-]{0,63}$/);
      else assert.ok(read.problem.length > 0);
    }),
    { numRuns: 1000 },
  );
});
