import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { pcapParts } from "./pcap-stream.ts";

/** A file of packets of these sizes. */
function fileOf(sizes: readonly number[], { isLittle = true, magic = 0xa1b2c3d4 } = {}): Uint8Array {
  const bytes = new Uint8Array(24 + sizes.reduce((sum, size) => sum + 16 + size, 0)).fill(0xff);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic, isLittle);
  let at = 24;
  for (const size of sizes) {
    view.setUint32(at + 8, size, isLittle);
    at += 16 + size;
  }
  return bytes;
}

for (const [what, options] of [
  ["as PCs write it", {}],
  ["of a machine with the other order of bytes", { isLittle: false }],
  ["with nanoseconds", { magic: 0xa1b23c4d }],
] as const) {
  test(`a file ${what} is the same in whatever parts it comes, and each part ends with a packet`, () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 8 });
    fc.assert(
      fc.property(sizes, fc.array(fc.integer({ min: 1, max: 200 })), (packets, steps) => {
        const file = fileOf(packets, options);
        const next = pcapParts();
        const ends = new Set([0, 24]);
        for (let [at, n] = [24, 0]; n < packets.length; n++) ends.add((at += 16 + packets[n]!));
        let [at, taken, counted] = [0, 0, 0];
        for (let n = 0; at < file.length; n++) {
          const step = steps[n % steps.length] ?? 1000;
          const part = next(file.subarray(at, at + step));
          assert.deepEqual(part.data, file.slice(taken, taken + part.data.length));
          assert.ok(ends.has((taken += part.data.length)), `${taken} is the end of a packet`);
          counted += part.packets;
          at += step;
        }
        assert.deepEqual([taken, counted], [file.length, packets.length]);
      }),
    );
  });
}

test("what was not written to its end is not returned", () => {
  const file = fileOf([100, 100]);
  assert.deepEqual(pcapParts()(file.subarray(0, file.length - 1)), { data: file.slice(0, 24 + 116), packets: 1 });
  assert.deepEqual(pcapParts()(file.subarray(0, 23)), { data: new Uint8Array(0), packets: 0 });
});

test("what is no file of packets is a failure, and never kept for a packet without an end", () => {
  assert.throws(() => pcapParts()(new Uint8Array(24)), { code: "CAPTURE_FAILED" });
  const file = fileOf([1]);
  new DataView(file.buffer).setUint32(32, 262_145, true);
  assert.throws(() => pcapParts()(file), { code: "CAPTURE_FAILED", message: /a packet of 262145 bytes/ });
});
