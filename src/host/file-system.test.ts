import assert from "node:assert/strict";
import { test } from "node:test";
import { mountedAt } from "./file-system.ts";

test("a file system is found by where it is mounted and by its type", async () => {
  const found = await mountedAt("/proc", "proc");
  assert.ok(found && found.size >= 0);
  assert.equal(await mountedAt("/proc", "ext4"), undefined, "what else is there counts as nothing");
  assert.equal(await mountedAt("/proc/self", "proc"), undefined);
});
