import assert from "node:assert/strict";
import { test } from "node:test";
import { GiB, KiB } from "../core/units.ts";
import { availableMemory, requireMemory } from "./host-memory.ts";

test("the memory a VM may take is what the kernel calls available", () => {
  assert.equal(
    availableMemory("MemTotal:       24684032 kB\nMemFree:  1 kB\nMemAvailable:   1234 kB\nBuffers: 5 kB\n"),
    1234 * KiB,
  );
  assert.equal(availableMemory("MemTotal:       24684032 kB\n"), undefined);
});

test("more than there is is refused with both numbers", async () => {
  await assert.rejects(requireMemory(1e6 * GiB), {
    code: "MEMORY_INSUFFICIENT",
    message: /wants 976\.6 TiB.*has [\d.]+ [KMGT]iB free/,
  });
  await requireMemory(1 * KiB);
});
