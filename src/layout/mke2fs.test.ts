import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { KiB, MiB } from "../core/units.ts";
import { piecesOf, storeMetadata } from "./mke2fs.ts";

const leaf = " 0/ 0   1/  1     0 -  16383   2048 -  18431  16384 \n";
const stores: readonly [name: string, text: string, message: RegExp][] = [
  ["a file that is not there", "/a.img: File not found by ext2_lookup \n", /has 0 of/],
  ["unwritten extents", leaf.replace("16384 ", "16384 Uninit"), /has 0 of/],
  ["a hole", leaf.replace("    0 -", "    1 -"), /has 0 of/],
];
for (const [name, text, message] of stores) {
  test(`${name} is noticed when extents are read`, () => {
    assert.equal(piecesOf("a.img", leaf, 0, 64 * MiB).length, 1);
    assert.throws(() => piecesOf("a.img", text, 0, 64 * MiB), { code: "EXT4_UNEXPECTED", message });
  });
}

test("a store is its metadata and its files: every byte once, the superblock's block apart", () => {
  const runs = fc.array(fc.record({ gap: fc.nat(5), blocks: fc.integer({ min: 1, max: 5 }) }), { maxLength: 6 });
  fc.assert(
    fc.property(runs, fc.nat(5), fc.boolean(), (found, after, reversed) => {
      let at = 4 * KiB;
      const files = found.map(({ gap, blocks }) => {
        const to = at + gap * 4 * KiB;
        at = to + blocks * 4 * KiB;
        return { from: 0, to, length: blocks * 4 * KiB };
      });
      const size = at + after * 4 * KiB;
      const { superblock, rest } = storeMetadata(size, reversed ? files.toReversed() : files);
      const all = [superblock, ...rest, ...files.map(({ to, length }) => ({ start: to, size: length }))];
      let end = 0;
      for (const extent of all.toSorted((one, other) => one.start - other.start)) {
        assert.equal(extent.start, end);
        end += extent.size;
      }
      assert.deepEqual([end, superblock], [size, { start: 0, size: 4 * KiB }]);
    }),
  );
});
