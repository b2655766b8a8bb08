import assert from "node:assert/strict";
import { test } from "node:test";
import { MiB } from "../core/units.ts";
import { memoryForImage } from "./netboot.ts";

for (const [what, image, archive, memory] of [
  ["is unpacked beside its archive", 350, 90, 960],
  ["is small has room to install all the same", 145, 45, 576],
  ["is as large packed as it is takes three times its size", 300, 300, 1088],
] as const) {
  test(`memory for an image that ${what}: ${memory} MiB`, () =>
    assert.equal(memoryForImage(image * MiB, archive * MiB), memory * MiB));
}
