import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { AppError } from "../core/error.ts";
import { GiB, MiB } from "../core/units.ts";
import { decodeGpt, encodeGpt } from "./gpt.ts";
import { DISK_PARTITIONS, defaultSlotSize, diskGpt, planDisk, smallestDisk, storeCapacity, type DiskGuids } from "./disk.ts";

const guids = Object.fromEntries(
  ["disk", ...DISK_PARTITIONS].map((name, i) => [name, `00000000-0000-4000-8000-00000000000${i}`]),
) as unknown as DiskGuids;

test("a slot is twice the image, at least 1.5 GiB, in whole 4 MiB", () => {
  assert.equal(defaultSlotSize(100 * MiB), 1.5 * GiB);
  assert.equal(defaultSlotSize(1 * GiB + 1), 2 * GiB + 4 * MiB);
});
test("the smallest disk for a small image is known", () => {
  assert.equal(smallestDisk({ imageSize: 120 * MiB, slotSize: 256 * MiB }) / MiB, 1493);
});
test("a larger disk gives everything that is left to persistent", () => {
  const small = planDisk({ imageSize: 120 * MiB });
  const large = planDisk({ imageSize: 120 * MiB, diskSize: 64 * GiB + 12_345 });
  assert.equal(large.size, 64 * GiB);
  assert.deepEqual({ ...large.partitions, persistent: 0 }, { ...small.partitions, persistent: 0 });
  assert.equal(large.partitions.persistent.start + large.partitions.persistent.size, large.size - MiB);
});
test("an image that is larger than its slot is refused with both numbers", () => {
  assert.throws(() => planDisk({ imageSize: 300 * MiB, slotSize: 256 * MiB }), {
    code: "IMAGE_TOO_LARGE",
    message: "the image of 300 MiB (314572800 bytes) does not fit a slot of 256 MiB (268435456 bytes)",
  });
});
test("a disk that is too small is refused with both numbers", () => {
  assert.throws(() => planDisk({ imageSize: 120 * MiB, slotSize: 256 * MiB, diskSize: 1 * GiB }), {
    code: "DISK_TOO_SMALL",
    message: "two slots of 256 MiB need a disk of 1.5 GiB (1565523968 bytes), and this one has 1 GiB (1073741824 bytes)",
  });
});
test("any plan is a table that both sector sizes read back, in the order of the design", () => {
  const size = fc.integer({ min: 1, max: 8 * GiB });
  fc.assert(
    fc.property(size, fc.option(size, { nil: undefined }), fc.option(size, { nil: undefined }), (imageSize, slotSize, more) => {
      let plan;
      try {
        const smallest = smallestDisk({ imageSize, slotSize });
        plan = planDisk({ imageSize, slotSize, diskSize: more && smallest + more });
      } catch (error) {
        assert.ok(error instanceof AppError && error.code === "IMAGE_TOO_LARGE" && imageSize > slotSize!);
        return;
      }
      const gpt = diskGpt(plan, guids);
      const patches = encodeGpt(gpt, "both");
      const read = (offset: number, length: number): Uint8Array => {
        const found = patches.find((patch) => patch.offset === offset)?.data ?? new Uint8Array();
        return Uint8Array.from({ length }, (_, i) => found[i] ?? 0);
      };
      for (const sector of [512, 4096] as const) assert.deepEqual(decodeGpt(read, plan.size, sector), gpt);
      assert.deepEqual(
        gpt.partitions.map(({ name }) => name),
        ["bios", "efi", "record", "oem", "recovery", "state", "persistent"],
      );
      assert.equal(plan.partitions.state.start % (4 * MiB), 0);
      assert.ok(plan.partitions.state.size > 2 * plan.slotSize && plan.partitions.recovery.size > 2 * imageSize);
      assert.ok(plan.partitions.persistent.size >= 256 * MiB);
    }),
  );
});
test("a partition's size says what it was made for", () => {
  const slot = fc.integer({ min: 1, max: 2 ** 19 }).map((units) => units * 4 * MiB); // to 2 TiB
  fc.assert(
    fc.property(slot, fc.integer({ min: 1, max: 8 * GiB }), (slotSize, imageSize) => {
      const plan = planDisk({ imageSize: Math.min(imageSize, slotSize), slotSize });
      assert.equal(storeCapacity(plan.partitions.state.size), plan.slotSize);
      assert.equal(storeCapacity(plan.partitions.state.size + 4 * MiB - 1), plan.slotSize, "a little more changes nothing");
      assert.ok(storeCapacity(plan.partitions.state.size - 1) < plan.slotSize, "and less is too small");
      assert.equal(storeCapacity(plan.partitions.recovery.size), plan.recoverySize);
    }),
  );
  for (const size of [0, 1, 4 * MiB, 20 * MiB]) assert.equal(storeCapacity(size), 0);
});
