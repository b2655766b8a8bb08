import assert from "node:assert/strict";
import { test } from "node:test";
import { largestMemory } from "./upgrade.ts";

test("the largest sum of what the agent's processes have for themselves is found on the console", () => {
  const line = (...kib: number[]): string =>
    `login: BENCH-UPGRADE-MEMORY ${kib.map((size) => `Private_Dirty: ${size} kB`).join(" ")} end\r\n`;
  assert.equal(largestMemory(line(100) + line(100, 250) + line()), 350 * 1024);
  assert.throws(() => largestMemory("login:"), { code: "UPGRADE_UNCLEAR" });
});
