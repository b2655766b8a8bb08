import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AppError } from "../core/error.ts";
import { MiB } from "../core/units.ts";
import { flashPlan } from "./flash-plan.ts";

test("every byte of the image is written once after the old tables are gone, boot sector and headers last", () => {
  const sizes = fc.tuple(fc.integer({ min: 4096, max: 40_000 }), fc.nat(10_000)).map(([n, more]) => [n * 512, (n + more) * 512]);
  fc.assert(
    fc.property(sizes, ([image, disk]) => {
      const { blank, body, tables, last } = flashPlan(image!, disk!);
      const parts = [last, body, ...tables].toSorted((a, b) => a.start - b.start);
      let end = 0;
      for (const { start, size } of parts) {
        assert.equal(start, end);
        end = start + size;
      }
      assert.equal(end, image);
      assert.deepEqual([last.start, body.start], [0, MiB]);
      assert.ok(body.start + body.size <= image! - 4096, "the backup headers of both sector sizes are not in the body");
      assert.ok(last.size >= 4096 + 512, "the last step has the headers of both sector sizes");
      assert.deepEqual(blank[0], { start: 0, size: MiB });
      assert.ok(blank[1]!.start <= disk! - MiB && blank[1]!.start + blank[1]!.size === disk);
      for (const { start } of [...blank, ...parts]) assert.equal(start % 4096, 0);
    }),
  );
});

for (const [image, disk] of [
  [MiB, 8 * MiB],
  [8 * MiB + 1, 9 * MiB],
  [8 * MiB, 8 * MiB - 512],
] as const) {
  test(`an image of ${image} bytes for a disk of ${disk} is refused`, () => {
    assert.throws(
      () => flashPlan(image, disk),
      (error) => error instanceof AppError && error.code === "FLASH_IMAGE_INVALID",
    );
  });
}
