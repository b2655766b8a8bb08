import assert from "node:assert/strict";
import { mkdtempDisposable, open, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { testTools } from "../../tests/support/tools.ts";
import { GiB, KiB, MiB } from "../core/units.ts";
import { EXT4_SUPERBLOCK_END, ext4Size } from "./ext4.ts";

for (const [block, size] of [
  [1 * KiB, 8 * MiB],
  [4 * KiB, 100 * MiB],
  [4 * KiB, 12 * GiB],
] as const) {
  test(`a file system that mke2fs makes of ${size} bytes with blocks of ${block} is that large`, async () => {
    const tools = await testTools();
    await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-ext4-"));
    const path = join(folder.path, "volume");
    await writeFile(path, "");
    await truncate(path, size);
    await tools.run(["mke2fs", "-q", "-t", "ext4", "-b", `${block}`, path], { binds: [{ source: folder.path, writable: true }] });
    await using file = await open(path);
    const { buffer } = await file.read(Buffer.alloc(EXT4_SUPERBLOCK_END), 0, EXT4_SUPERBLOCK_END, 0);
    assert.equal(ext4Size(buffer), size);
  });
}

test("what is no ext4 has no size", () => {
  assert.equal(ext4Size(new Uint8Array(EXT4_SUPERBLOCK_END)), undefined);
  assert.equal(ext4Size(new Uint8Array(100)), undefined);
});
