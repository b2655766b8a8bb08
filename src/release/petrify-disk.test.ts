import assert from "node:assert/strict";
import { test } from "node:test";
import { MiB } from "../core/units.ts";
import { sha256 } from "../host/sha256.ts";
import { DISK_PARTITIONS, diskGpt, planDisk, type DiskGuids } from "../layout/disk.ts";
import { UNFINISHED } from "../layout/flash-plan.ts";
import { encodeGpt } from "../layout/gpt.ts";
import { encodeInstallMark, INSTALL_MARK_OFFSET } from "../layout/install-mark.ts";
import type { Patch } from "../layout/patch.ts";
import { petrifyDisk } from "./petrify-disk.ts";

const PLAN = planDisk({ imageSize: 4 * MiB, slotSize: 8 * MiB });
const GUIDS = Object.fromEntries(
  ["disk", ...DISK_PARTITIONS].map((name, index) => [name, `0000000${index}-1111-4222-8333-444444444444`]),
) as unknown as DiskGuids;
const TABLES = encodeGpt(diskGpt(PLAN, GUIDS), "both");
const mark = (offset = PLAN.partitions.record.start + INSTALL_MARK_OFFSET): Patch => ({
  offset,
  data: encodeInstallMark("medium:00"),
});

/** Later patches lie over earlier ones; what is between them is zero. */
const found = async (...patches: readonly Patch[]) =>
  await petrifyDisk(
    {
      size: PLAN.size,
      read: async (offset, length) => {
        const bytes = new Uint8Array(Math.max(0, Math.min(length, PLAN.size - offset)));
        for (const patch of patches) {
          const [from, to] = [Math.max(offset, patch.offset), Math.min(offset + bytes.length, patch.offset + patch.data.length)];
          if (from < to) bytes.set(patch.data.subarray(from - patch.offset, to - patch.offset), from - offset);
        }
        return await Promise.resolve(bytes);
      },
    },
    sha256,
  );

test("a disk of petrify's says what began its installation, another one nothing", async () => {
  assert.deepEqual(await found(...TABLES), { name: "a disk of petrify's" });
  assert.deepEqual(await found(...TABLES, mark()), { name: "a disk of petrify's", installedFrom: "medium:00" });
  assert.equal(await found(mark()), undefined);
});

test("a mark elsewhere, or of a disk that is half written, does not count: whoever installs by itself would stop half way for ever", async () => {
  assert.deepEqual(await found(...TABLES, mark(MiB)), { name: "a disk of petrify's" });
  assert.deepEqual(await found(...TABLES, mark(), { offset: 0, data: UNFINISHED }), { name: "a disk of petrify's" });
});
