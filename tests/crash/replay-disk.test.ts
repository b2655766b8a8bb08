import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { KiB } from "../../src/core/units.ts";
import { DISK_PARTITIONS, type DiskPartition, type Extent } from "../../src/layout/disk.ts";
import { noise } from "../support/small-image.ts";
import type { MatrixImage } from "./matrix-disk.ts";
import { replayDisk, type DiskLayout, type ReplayDisk } from "./replay-disk.ts";

const SIZE = 512 * KiB;
const place = (block: number, blocks: number): Extent => ({ start: block * 4096, size: blocks * 4096 });
const layout: DiskLayout = {
  size: SIZE,
  partitions: Object.fromEntries(DISK_PARTITIONS.map((name, i) => [name, place(2 + 16 * i, 16)])) as Record<
    DiskPartition,
    Extent
  >,
  images: { recovery1: place(67, 4), recovery2: place(72, 4), a: place(83, 4), b: place(88, 4) },
};
const image = (name: "old" | "new"): MatrixImage =>
  ({ name, bytes: Buffer.from(noise(3 * 4096, name)), parts: { boot: place(1, 1) } }) as unknown as MatrixImage;
const [old, fresh] = [image("old"), image("new")];
const base = Buffer.from(noise(SIZE, "base"));
base.set(old.bytes, layout.images.a.start);
const open = (): ReplayDisk =>
  replayDisk(layout, [old, fresh], { size: SIZE, read: (offset, length) => base.subarray(offset, offset + length) });

test("an image file holds an image when every byte is its, and boots it when the part that the loader checks is its", () => {
  const disk = open();
  assert.deepEqual(disk.held("a"), { whole: "old", boots: "old" });
  assert.deepEqual(disk.held("b"), {});
  disk.apply([{ offset: layout.images.b.start, data: fresh.bytes.subarray(0, 2 * 4096) }]);
  assert.deepEqual(disk.held("b"), { boots: "new" });
  disk.apply([{ offset: layout.images.b.start + 2 * 4096, data: fresh.bytes.subarray(2 * 4096) }]);
  assert.deepEqual(disk.held("b"), { whole: "new", boots: "new" });
  const takeBack = disk.apply([{ offset: layout.images.b.start + 512, data: new Uint8Array(512) }]);
  assert.deepEqual(disk.held("b"), {});
  takeBack();
  assert.deepEqual(disk.held("b"), { whole: "new", boots: "new" });
});

test("an image file begins with as much of an image as is there in one piece", () => {
  const disk = open();
  assert.deepEqual([disk.begins("a", "old"), disk.begins("a", "new")], [3 * 4096, 0]);
  const { start } = layout.images.b;
  disk.apply(
    [0, 2].map((block) => ({ offset: start + block * 4096, data: fresh.bytes.subarray(block * 4096, (block + 1) * 4096) })),
  );
  assert.equal(disk.begins("b", "new"), 4096);
});

test("what is applied is read, changes the sum of its part alone, and can be taken back", () => {
  const piece = fc.record({
    sector: fc.integer({ min: 0, max: SIZE / 512 - 9 }),
    sectors: fc.integer({ min: 1, max: 9 }),
    seed: fc.string(),
  });
  const all = [...DISK_PARTITIONS, "table", "a", "b", "recovery1", "recovery2"] as const;
  const sums = (disk: ReplayDisk): bigint[] => all.map((region) => disk.sum(region));
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
      const disk = open();
      const before = sums(disk);
      const expected = Buffer.from(base);
      const writes = pieces.map(({ sector, sectors, seed }) => ({ offset: sector * 512, data: noise(sectors * 512, seed) }));
      for (const { offset, data } of writes) expected.set(data, offset);
      const takeBack = disk.apply(writes);
      assert.ok(expected.equals(disk.read(0, SIZE)));
      const other = open();
      for (const write of writes) other.apply([write]);
      assert.deepEqual(sums(disk), sums(other));
      takeBack();
      assert.deepEqual(sums(disk), before);
      assert.ok(base.equals(disk.read(0, SIZE)));
    }),
    { numRuns: 30 },
  );
  const disk = open();
  const before = sums(disk);
  disk.apply([{ offset: layout.partitions.oem.start, data: noise(512, "x") }]);
  assert.deepEqual(
    all.filter((_, at) => sums(disk)[at] !== before[at]),
    ["oem"],
  );
});

test("equal contents have equal sums, whatever way they came about", () => {
  const [one, other] = [open(), open()];
  const { start } = layout.partitions.record;
  one.apply([{ offset: start, data: new Uint8Array(4096) }]);
  other.apply([{ offset: start, data: noise(4096, "first") }]);
  other.apply([{ offset: start, data: new Uint8Array(4096) }]);
  assert.equal(one.sum("record"), other.sum("record"));
});
