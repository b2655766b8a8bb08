import assert from "node:assert/strict";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { kernelRecords } from "./kernel-records.ts";

test("records that are there now end; no line is missing", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-kmsg-"));
  const path = join(folder.path, "kmsg");
  await writeFile(path, "6,1,2,-;one\n SUBSYSTEM=x\n6,2,3,-;two\n");
  for (const follow of [false, true]) {
    const found: string[] = [];
    for await (const lines of kernelRecords(follow, new AbortController().signal, path)) found.push(...lines);
    assert.deepEqual(found, ["6,1,2,-;one", " SUBSYSTEM=x", "6,2,3,-;two"]);
  }
});

test("what cannot be read is told of", async () => {
  await assert.rejects(kernelRecords(false, new AbortController().signal, "/nowhere").next(), { code: "ENOENT" });
});
