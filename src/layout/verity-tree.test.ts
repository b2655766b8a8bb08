import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { testTools } from "../../tests/support/tools.ts";
import { decodeVeritySuperblock } from "./verity.ts";
import { salter, verityTree } from "./verity-tree.ts";

for (const [dataBlocks, hashBlockSize, digestSize, counts] of [
  [1, 4096, 32, []],
  [2, 4096, 32, [1]],
  [128, 4096, 32, [1]],
  [129, 4096, 32, [2, 1]],
  [16_384, 4096, 32, [128, 1]],
  [16_385, 4096, 32, [129, 2, 1]],
  [300, 4096, 20, [3, 1]], // SHA-1: entries of 32 bytes
  [300, 4096, 64, [5, 1]],
  [300, 512, 48, [38, 5, 1]], // SHA-384: entries of 64 bytes
  [2 ** 31, 4096, 32, [2 ** 24, 2 ** 17, 2 ** 10, 8, 1]],
] as const) {
  test(`${dataBlocks} data blocks, digests of ${digestSize} bytes in blocks of ${hashBlockSize}: ${counts.join() || "no"} hash blocks`, () => {
    const { levels, blocks } = verityTree({ dataBlocks, hashBlockSize }, digestSize);
    assert.deepEqual(
      levels.map(({ count }) => count),
      counts,
    );
    let next = 1; // the superblock is block 0
    for (const { first, count } of levels.toReversed()) {
      assert.equal(first, next);
      next += count;
    }
    assert.equal(blocks, next);
  });
}

const HASHES = { sha1: 20, sha256: 32, sha512: 64 } as const;
for (const [algorithm, hashBlockSize, dataBlocks, salt] of [
  ["sha256", 4096, 1, "00ff"],
  ["sha256", 4096, 300, "5a".repeat(32)],
  ["sha256", 512, 300, "-"],
  ["sha1", 1024, 70, "01"],
  ["sha512", 4096, 70, "0123456789"],
] as const) {
  test(`veritysetup puts a tree of ${algorithm} over ${dataBlocks} blocks where it is expected, every hash of it`, async () => {
    const tools = await testTools();
    await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-tree-"));
    const data = Uint8Array.from({ length: dataBlocks * 4096 }, (_, i) => (i * 7 + (i >> 12)) & 0xff);
    await writeFile(join(dir.path, "data"), data);
    await writeFile(join(dir.path, "tree"), "");
    const sizes = ["--data-block-size", "4096", "--hash-block-size", String(hashBlockSize), "--salt", salt, "--hash", algorithm];
    const { stdout } = await tools.run(["veritysetup", "format", ...sizes, "/tmp/d/data", "/tmp/d/tree"], {
      binds: [{ source: dir.path, target: "/tmp/d", writable: true }],
    });
    const tree = await readFile(join(dir.path, "tree"));
    const superblock = decodeVeritySuperblock(tree);
    const { levels, blocks, entrySize, hashesPerBlock } = verityTree(superblock, HASHES[algorithm]);
    assert.equal(tree.length, blocks * hashBlockSize);
    const digestOf = (bytes: Uint8Array, size: number): string =>
      createHash(algorithm).update(salter(superblock.salt, size)(bytes)).digest("hex");
    let below = Array.from({ length: dataBlocks }, (_, i) => digestOf(data.subarray(i * 4096, (i + 1) * 4096), 4096));
    for (const { first, count } of levels) {
      const block = (i: number): Buffer => tree.subarray((first + i) * hashBlockSize, (first + i + 1) * hashBlockSize);
      const entries = below.map((_, i) =>
        block(Math.floor(i / hashesPerBlock))
          .subarray((i % hashesPerBlock) * entrySize)
          .subarray(0, HASHES[algorithm])
          .toString("hex"),
      );
      assert.deepEqual(entries, below);
      below = Array.from({ length: count }, (_, i) => digestOf(block(i), hashBlockSize));
    }
    assert.deepEqual(below, [/^Root hash:\s+([0-9a-f]+)$/m.exec(stdout)?.[1]]);
  });
}
