import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { composeDisk, partsWithin, type DiskPart } from "./composed-disk.ts";

const SIZE = 200;
/** Bytes at their places, by hand. */
function whole(parts: readonly DiskPart<Uint8Array>[]): Uint8Array {
  const disk = new Uint8Array(SIZE);
  for (const { start, size, from } of parts) {
    disk.set("bytes" in from ? from.bytes : from.file.subarray(from.at, from.at + size), start);
  }
  return disk;
}

test("any run of a disk is what its parts say, and zero elsewhere", () => {
  const part = fc.record({ gap: fc.nat(20), size: fc.nat(30), isFile: fc.boolean(), at: fc.nat(10) });
  const run = fc.tuple(fc.nat(SIZE), fc.nat(60));
  fc.assert(
    fc.property(fc.array(part, { maxLength: 4 }), fc.array(run), (made, runs) => {
      let end = 0;
      const parts = made.map(({ gap, size, isFile, at }, i): DiskPart<Uint8Array> => {
        const start = end + gap;
        end = start + size;
        const file = Uint8Array.from({ length: size + at }, (_, n) => (i * 31 + n + 1) % 256);
        return { start, size, from: isFile ? { file, at } : { bytes: file.subarray(at) } };
      });
      const disk = composeDisk(SIZE, parts.toReversed());
      for (const [offset, length] of runs) {
        const found = new Uint8Array(Math.min(length, SIZE - offset));
        for (const { start, size, from } of partsWithin(disk, offset, found.length)) {
          found.set("bytes" in from ? from.bytes : from.file.subarray(from.at, from.at + size), start);
        }
        assert.deepEqual(found, whole(parts).subarray(offset, offset + length));
      }
    }),
  );
});

test("parts that overlap, or lie beyond the disk's end, are a bug", () => {
  const part = (start: number, size: number): DiskPart<string> => ({ start, size, from: { file: "x", at: 0 } });
  assert.throws(() => composeDisk(100, [part(0, 10), part(9, 10)]));
  assert.throws(() => composeDisk(100, [part(90, 11)]));
  assert.equal(composeDisk(100, [part(90, 10), part(0, 90), part(5, 0)]).parts.length, 2);
});
