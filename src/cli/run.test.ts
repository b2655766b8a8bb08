import assert from "node:assert/strict";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { runForTest } from "./testing.ts";

test("a disk in a form that cannot be written is not kept, and says what can be", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-run-"));
  await writeFile(join(dir.path, "disk.vmdk"), "KDMV");
  const { exitCode, err } = await runForTest(["run", "disk.vmdk", "--keep"], { cwd: dir.path });
  assert.equal(exitCode, 1);
  assert.match(err, /disk\.vmdk is compressed in one stream[^]*hint: .*--format qcow2/i);
});
