import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MiB } from "../core/units.ts";
import { gapsOf, quickWipe } from "./wipe-plan.ts";

test("a disk is wiped quickly at both of its ends and at those of its partitions", () => {
  assert.deepEqual(quickWipe(1000 * MiB, [{ start: 500 * MiB, size: 100 * MiB }]), [
    { start: 0, size: 4 * MiB },
    { start: 500 * MiB, size: 4 * MiB },
    { start: 596 * MiB, size: 4 * MiB },
    { start: 996 * MiB, size: 4 * MiB },
  ]);
  assert.deepEqual(quickWipe(3 * MiB, []), [{ start: 0, size: 3 * MiB }]);
  assert.deepEqual(quickWipe(0, [{ start: 0, size: 0 }]), []);
});

test("whatever a table says, nothing outside the disk is touched, nothing twice, and each edge is", () => {
  const sectors = fc.integer({ min: 0, max: 40 * 2048 }).map((count) => count * 512);
  const partitions = fc.array(fc.record({ start: sectors, size: sectors }), { maxLength: 8 });
  fc.assert(
    fc.property(sectors, partitions, (size, found) => {
      const extents = quickWipe(size, found);
      let end = -1;
      for (const extent of extents) {
        assert.ok(extent.start > end && extent.size > 0);
        end = extent.start + extent.size;
      }
      assert.ok(end <= size);
      const isWiped = (at: number): boolean => extents.some(({ start, size: length }) => at >= start && at < start + length);
      for (const { start, size: length } of [{ start: 0, size }, ...found]) {
        for (const at of [start, start + length - 1]) {
          if (length > 0 && at < size) assert.ok(isWiped(at), `${at} of ${size}`);
        }
      }
    }),
  );
});

test("what belongs to no partition is the rest of the disk: every byte in one of both", () => {
  const units = fc.integer({ min: 0, max: 40 });
  fc.assert(
    fc.property(units, fc.array(fc.record({ start: units, size: units }), { maxLength: 8 }), (size, partitions) => {
      const isIn = (extents: readonly { readonly start: number; readonly size: number }[], at: number): boolean =>
        extents.some(({ start, size: length }) => at >= start && at < start + length);
      const gaps = gapsOf(size, partitions);
      for (let at = 0; at < 100; at++) assert.equal(isIn(gaps, at), at < size && !isIn(partitions, at), `${at}`);
      assert.ok(gaps.every((gap) => gap.size > 0));
    }),
  );
});
