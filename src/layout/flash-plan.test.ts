import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AppError } from "../core/error.ts";
import { MiB } from "../core/units.ts";
import { flashPlan, isUnfinished, UNFINISHED } from "./flash-plan.ts";

for (const sectorSize of [512, 4096] as const) {
  test(`of ${sectorSize}-byte sectors: every byte of the image is written once after the old tables are gone, the boot sector alone and last`, () => {
    const sizes = fc
      .tuple(fc.integer({ min: 4096, max: 40_000 }), fc.nat(10_000))
      .map(([n, more]) => [n * 512, (n + more) * 512]);
    fc.assert(
      fc.property(sizes, ([image, disk]) => {
        const { blank, body, tables, last } = flashPlan(image!, disk!, sectorSize);
        const parts = [last, body, ...tables].toSorted((a, b) => a.start - b.start);
        let end = 0;
        for (const { start, size } of parts) {
          assert.equal(start, end);
          end = start + size;
        }
        assert.equal(end, image);
        assert.deepEqual(last, { start: 0, size: sectorSize });
        assert.equal(body.start, MiB);
        assert.ok(body.start + body.size <= image! - 4096, "the backup headers of both sector sizes are not in the body");
        const headers = tables.at(-1)!;
        assert.deepEqual(headers, { start: sectorSize, size: 8192 - sectorSize }, "headers are written when their entries are");
        assert.deepEqual(blank[0], headers, "and are the first to go");
        const zeroed = new Uint8Array(Math.ceil(disk! / 512));
        for (const { start, size } of blank) zeroed.fill(1, start / 512, (start + size) / 512);
        const isZeroed = (from: number, to: number): boolean => zeroed.subarray(from / 512, to / 512).every(Boolean);
        assert.ok(isZeroed(sectorSize, MiB) && isZeroed(disk! - MiB, disk!), "both ends of the disk become blank");
        for (const { start } of [...blank, ...parts]) assert.equal(start % sectorSize, 0);
      }),
    );
  });
}

test("the note is no boot sector, and is told from anything else", () => {
  assert.deepEqual([UNFINISHED.length, UNFINISHED[510], UNFINISHED[511]], [512, 0, 0]);
  assert.ok(isUnfinished(UNFINISHED.slice()));
  const other = UNFINISHED.slice();
  other[511] = 1;
  for (const sector of [other, UNFINISHED.subarray(0, 511), new Uint8Array(512)]) assert.equal(isUnfinished(sector), false);
});

for (const [image, disk] of [
  [MiB, 8 * MiB],
  [8 * MiB + 1, 9 * MiB],
  [8 * MiB, 8 * MiB - 512],
] as const) {
  test(`an image of ${image} bytes for a disk of ${disk} is refused`, () => {
    assert.throws(
      () => flashPlan(image, disk, 512),
      (error) => error instanceof AppError && error.code === "FLASH_IMAGE_INVALID",
    );
  });
}
