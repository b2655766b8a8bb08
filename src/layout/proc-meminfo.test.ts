import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseMemInfo } from "./proc-meminfo.ts";

test("sizes are read in bytes, whatever else there is", () => {
  const text = "MemTotal:       24684092 kB\nActive(anon):       6204 kB\nHugePages_Total:       7\nMemFree: x kB\n\n";
  assert.deepEqual(
    [...parseMemInfo(text)],
    [
      ["MemTotal", 24_684_092 * 1024],
      ["Active(anon)", 6204 * 1024],
    ],
  );
});

test("any text is read, to whole numbers", () => {
  const line = fc.oneof(
    fc.string(),
    fc.tuple(fc.string(), fc.string()).map(([name, value]) => `${name}: ${value} kB`),
  );
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      for (const size of parseMemInfo(lines.join("\n")).values()) assert.ok(Number.isSafeInteger(size) && size >= 0);
    }),
  );
});
