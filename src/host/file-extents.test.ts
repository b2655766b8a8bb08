import assert from "node:assert/strict";
import { mkdtempDisposable, open, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileExtents } from "./file-extents.ts";

test("a file that is not written to its end cannot be overwritten in place", async (t) => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-extents-"));
  const path = join(folder.path, "file");
  await writeFile(path, new Uint8Array(8192));
  await truncate(path, 1024 ** 2);
  const { code } = await fileExtents(path).then(
    () => ({ code: "none" }),
    (error: { code?: string }) => error,
  );
  if (code === "FILE_PLACE_UNKNOWN") return t.skip("this file system does not say where a file is");
  assert.equal(code, "FILE_NOT_IN_PLACE");
});

test("where the file system says it, extents cover a file from its start to its end", async (t) => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-extents-"));
  const path = join(folder.path, "file");
  {
    await using file = await open(path, "w");
    await file.write(new Uint8Array(100_000).fill(7));
    await file.sync();
  }
  const found = await fileExtents(path).catch((error: { code?: string }) => {
    if (error.code !== "FILE_PLACE_UNKNOWN") throw error;
    return undefined;
  });
  if (!found) return t.skip("this file system does not say where a file is");
  assert.equal(found.size, 100_000);
  assert.ok(found.extents.reduce((sum, { size }) => sum + size, 0) >= 100_000);
});

test("a file system that does not say where a file is says nothing about the file", async () => {
  await assert.rejects(fileExtents("/proc/version"), { code: "FILE_PLACE_UNKNOWN" });
});
