import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { replaceFolder } from "./files.ts";

for (const [name, other] of [
  ["the same file system", tmpdir()],
  ["another file system", "/dev/shm"],
] as const) {
  test(`a folder of outputs replaces the old one, folders in it too, from ${name}`, async (t) => {
    await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-folder-"));
    if ((await stat(other).catch(() => undefined)) === undefined) return t.skip(`there is no ${other}`);
    await using from = await mkdtempDisposable(join(other, "petrify-folder-"));
    const [made, output] = [join(from.path, "made"), join(dir.path, "out.oci")];
    await mkdir(join(made, "blobs/sha256"), { recursive: true });
    await writeFile(join(made, "blobs/sha256/ab"), "a blob");
    await writeFile(join(made, "index.json"), "new");
    await mkdir(output);
    await writeFile(join(output, "old"), "old");
    await replaceFolder(made, output);
    assert.deepEqual((await readdir(output, { recursive: true })).toSorted(), [
      ...["blobs", "blobs/sha256", "blobs/sha256/ab", "index.json"],
    ]);
    assert.equal(await readFile(join(output, "blobs/sha256/ab"), "utf8"), "a blob");
    assert.deepEqual(await readdir(dir.path), ["out.oci"]);
  });
}
