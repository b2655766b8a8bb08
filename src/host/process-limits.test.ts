import assert from "node:assert/strict";
import { test } from "node:test";
import { parseLimits, processLimits } from "./process-limits.ts";

const TEXT = `Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max processes             1000                 96365                processes
Max open files            1024                 20000                files
`;

test("the hard limits are read, not the soft ones", () => {
  assert.deepEqual(parseLimits(TEXT), { files: 20_000, processes: 96_365 });
});

test("what has no limit, or is not listed, is unlimited", () => {
  assert.deepEqual(parseLimits(TEXT.replace("96365", "unlimited").replace("open files", "else")), {
    files: Infinity,
    processes: Infinity,
  });
});

test("this process has limits", async () => {
  const { files, processes } = await processLimits();
  assert.ok(files >= 64 && processes > 0, `${files} ${processes}`);
});
