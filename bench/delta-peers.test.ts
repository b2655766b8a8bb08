import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { tarOf } from "../tests/support/tree-tar.ts";
import { isImage, parseTime, sizeOfNew, together } from "./delta-lab.ts";
import { deltaPair } from "./delta-pair.ts";
import { missingBytes } from "./delta-rauc.ts";
import { parseRanges, serveRanges } from "./serve-ranges.ts";
import { packedBlocks } from "./squashfs-blocks.ts";

const sha256 = (bytes: Uint8Array): Buffer => createHash("sha256").update(bytes).digest();

test("the frozen pair is the same as ever: other figures in a report come from another program, not from other files", () => {
  const digest = (version: "old" | "new"): string => sha256(tarOf(deltaPair(version))).toString("hex");
  assert.deepEqual([digest("old"), digest("new")], FROZEN);
});
const FROZEN = [
  "0ff3e936b2bb30ae7b9a39a031d77c74c9fca30f17e46eac45bb0ec0b48c53aa",
  "c4071112dd5c730a6c52c396fd5e2f049cb92c5aeabcf4ce8f508dfae38e69af",
];

test("what time(1) says is seconds, bytes in memory, and bytes written; of programs in a row times and writes are added", () => {
  const cost = parseTime("1.50 2048 16\n");
  assert.deepEqual(cost, { seconds: 1.5, memory: 2 * 1024 ** 2, written: 8192 });
  assert.deepEqual(together(cost, parseTime("0.25 4096 8\n")), { seconds: 1.75, memory: 4 * 1024 ** 2, written: 12_288 });
  for (const text of ["", "1.50 2048\n", "Command terminated by signal 9\n1.50 2048 16\n"]) {
    assert.throws(() => parseTime(text), { code: "TIME_UNCLEAR" }, text);
  }
});

test("a tool whose result is not the new image has no figures", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-bench-"));
  const path = (name: string): string => join(dir.path, name);
  for (const [name, bytes] of [
    ["wanted", "new"],
    ["right", "new"],
    ["wrong", "old"],
  ] as const) {
    await writeFile(path(name), bytes);
  }
  await isImage(path("right"), path("wanted"), "a tool");
  await assert.rejects(isImage(path("wrong"), path("wanted"), "a tool"), { code: "UPDATE_WRONG" });
});

test("of a store only the chunks count that the older one does not have", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-bench-"));
  const stores = { old: ["a", "b"], new: ["b", "c"] } as const;
  for (const [store, names] of Object.entries(stores)) {
    await mkdir(join(dir.path, store));
    for (const name of names) await writeFile(join(dir.path, store, name), name.repeat(10));
  }
  assert.equal(await sizeOfNew(join(dir.path, "new"), join(dir.path, "old")), 10);
});

test("ranges that are asked for are those of the header, cut where the file ends; the whole file where it is not understood", () => {
  for (const [header, ranges] of [
    [undefined, []],
    ["bytes=0-9", [[0, 9]]],
    [
      "bytes=0-9, 20-",
      [
        [0, 9],
        [20, 99],
      ],
    ],
    ["bytes=90-500", [[90, 99]]],
    ["bytes=9-0", []],
    ["lines=1-2", []],
  ] as const) {
    const parsed = parseRanges(header, 100).map(({ first, last }) => [first, last]);
    assert.deepEqual(parsed, ranges, header ?? "none");
  }
});

test("a server of ranges sends them, one or several in one answer, and counts the bytes", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-bench-"));
  const file = join(dir.path, "file");
  await writeFile(file, "0123456789");
  await using server = await serveRanges(file);
  const get = async (range?: string): Promise<string> =>
    await (await fetch(`${server.url}/file`, { headers: new Headers(range ? { range } : {}) })).text();
  assert.equal(await get(), "0123456789");
  assert.equal(await get("bytes=2-4"), "234");
  const before = server.sent();
  assert.equal(before, 13);
  const several = await get("bytes=0-1,8-9");
  assert.match(several, /content-range: bytes 0-1\/10\r\n\r\n01\r\n--.*content-range: bytes 8-9\/10\r\n\r\n89\r\n--/s);
  assert.equal(server.sent() - before, several.length);
});

/** A squashfs with a folder and two files, the second of `size` bytes with these blocks. */
function squashfs(size: number, blocks: readonly number[], { packedInodes = false } = {}): Buffer {
  const inode = (type: number, length: number, set: (bytes: Buffer) => void): Buffer => {
    const bytes = Buffer.alloc(length);
    bytes.writeUInt16LE(type);
    set(bytes);
    return bytes;
  };
  const small = inode(2, 36, (bytes) => {
    bytes.writeUInt32LE(5, 28);
    bytes.writeUInt32LE(5, 32);
  });
  const large = inode(9, 56 + 4 * blocks.length, (bytes) => {
    bytes.writeBigUInt64LE(BigInt(size), 24);
    for (const [index, block] of blocks.entries()) bytes.writeUInt32LE(block, 56 + 4 * index);
  });
  const inodes = Buffer.concat([inode(1, 32, () => {}), small, large]);
  const head = Buffer.alloc(2);
  head.writeUInt16LE(inodes.length | (packedInodes ? 0 : 0x8000));
  const superblock = Buffer.alloc(96);
  superblock.write("hsqs");
  superblock.writeUInt32LE(3, 4);
  superblock.writeUInt32LE(4096, 12);
  superblock.writeBigUInt64LE(96n, 64);
  superblock.writeBigUInt64LE(BigInt(96 + 2 + inodes.length), 72);
  return Buffer.concat([superblock, head, inodes]);
}

test("blocks of a file in a squashfs have the sizes that they are stored with, packed or not", () => {
  const unpacked = 4096 | (1 << 24);
  assert.deepEqual(packedBlocks(squashfs(9000, [700, 0, unpacked]), 9000), { blockSize: 4096, packed: [700, 0, 4096] });
  for (const [bytes, size] of [
    [Buffer.alloc(200), 9000],
    [squashfs(9000, [1, 2, 3]), 9001],
    [squashfs(9000, [1, 2, 3], { packedInodes: true }), 9000],
  ] as const) {
    assert.throws(() => packedBlocks(bytes, size), { code: "SQUASHFS_INVALID" });
  }
});

test("rauc reads the blocks of its squashfs that hold what is new: not what is elsewhere, was there before, or is zero", () => {
  const block = (name: string): Buffer => (name === "zero" ? sha256(Buffer.alloc(4096)) : sha256(Buffer.from(name)));
  const index = (...names: readonly string[]): Buffer => Buffer.concat(names.map(block));
  const old = index("a", "b", "c");
  const blocks = { blockSize: 8192, packed: [1000, 200, 30, 4] };
  for (const [names, bytes] of [
    [["c", "b", "a", "zero"], 0],
    [["a", "new", "b", "c"], 1000],
    [["a", "new", "new", "a"], 1000],
    [["a", "new", "new", "other"], 1200],
    [["a", "b", "x", "y"], 200],
  ] as const) {
    assert.equal(missingBytes(old, index(...names), blocks), bytes, names.join(" "));
  }
});
