import assert from "node:assert/strict";
import { test } from "node:test";
import { disksWithMedium, MEDIUM_KINDS } from "./medium-disks.ts";

const disk = { path: "/disk.raw", format: "raw", writes: "keep" } as const;

test("the disk is tried before the medium, but for a USB stick with BIOS, which tries the first hard disk only", () => {
  const first = MEDIUM_KINDS.flatMap((kind) =>
    (["bios", "uefi"] as const).map((firmware) => [kind, firmware, disksWithMedium(disk, "/my.iso", kind, firmware)[0]!.path]),
  );
  assert.deepEqual(first, [
    ["cd", "bios", "/disk.raw"],
    ["cd", "uefi", "/disk.raw"],
    ["usb", "bios", "/my.iso"],
    ["usb", "uefi", "/disk.raw"],
  ]);
});
