import assert from "node:assert/strict";
import { mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { noise, smallImage } from "../../tests/support/small-image.ts";
import { testTools } from "../../tests/support/tools.ts";
import { formatVerity, VERITY_SALT } from "../build/verity.ts";
import { sha256 } from "../host/sha256.ts";
import { verityBuilder } from "./build-verity.ts";

suite("a hash tree that is made while its root comes by", () => {
  for (const blocks of [1, 2, 128, 129, 16_385]) {
    test(`is veritysetup's, byte for byte, of ${blocks} blocks`, async () => {
      await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-verity-"));
      const root = new Uint8Array(blocks * 4096);
      for (const at of new Set([0, blocks >> 1, blocks - 1])) root.set(noise(4096, `${at}`), at * 4096);
      await writeFile(join(folder.path, "root"), root);
      const rootHash = await formatVerity(await testTools(), join(folder.path, "root"), join(folder.path, "verity"));
      const builder = verityBuilder({ rootSize: root.length, salt: VERITY_SALT, sha256 });
      // Runs that begin and end anywhere.
      for (let at = 0, run = 1; at < root.length; at += run, run = (run * 7 + 1) % 1_000_003)
        builder.add(root.subarray(at, at + run));
      const built = builder.finish();
      assert.equal(built.rootHash, rootHash);
      assert.ok(Buffer.from(built.bytes).equals(await readFile(join(folder.path, "verity"))));
    });
  }

  test("is the partition of a real image, which does not have to be shipped then", async () => {
    const { bytes, parts, manifest } = await smallImage(await testTools(), 300);
    const { start, size } = parts.root;
    const builder = verityBuilder({ rootSize: size, salt: manifest.veritySalt, sha256 });
    builder.add(bytes.subarray(start, start + size));
    const built = builder.finish();
    assert.equal(built.rootHash, manifest.rootHash);
    const { verity } = parts;
    assert.ok(bytes.subarray(verity.start, verity.start + verity.size).equals(built.bytes));
  });

  test("is not given out before the whole root has come, and takes no more than that", () => {
    const builder = verityBuilder({ rootSize: 8192, salt: "", sha256 });
    builder.add(new Uint8Array(8191));
    assert.throws(() => builder.finish(), /only 1 of the root's 2 blocks/);
    assert.throws(() => builder.add(new Uint8Array(4097)), RangeError);
    assert.throws(() => verityBuilder({ rootSize: 4097, salt: "", sha256 }), RangeError);
  });
});
