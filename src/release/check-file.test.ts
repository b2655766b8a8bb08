import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempDisposable, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, test } from "node:test";
import { fakeKernel } from "../../tests/support/fake-kernel.ts";
import { noise } from "../../tests/support/small-image.ts";
import { testTools } from "../../tests/support/tools.ts";
import { treeFacts, treeImage } from "../../tests/support/tree-image.ts";
import { MiB } from "../core/units.ts";
import { sha256 } from "../host/sha256.ts";
import { findInFat } from "../layout/fat.ts";
import { decodeGpt, type Partition } from "../layout/gpt.ts";
import { systemImageParts, type SystemImageParts } from "../layout/system-image.ts";
import { checkFile, type FileVerdict } from "./check-file.ts";

const full = process.env["PETRIFY_TEST"] === "full";
const seed = process.env["PETRIFY_TEST_SEED"] ?? "0";

let bytes: Buffer;
let parts: SystemImageParts<Partition>;
before(async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-check-"));
  const path = join(dir.path, "image");
  await treeImage(await testTools(), [{ path: "usr/bin/program", data: noise(40_000, "program"), mode: 0o755 }], path);
  bytes = await readFile(path);
  parts = systemImageParts(decodeGpt((at, length) => bytes.subarray(at, at + length), bytes.length, 512));
});

const check = async (image: Uint8Array = bytes): Promise<FileVerdict> =>
  await checkFile({
    sha256,
    image: { size: image.length, read: async (at, length) => await Promise.resolve(image.subarray(at, at + length)) },
  });
async function withFlip<T>(at: number, bit: number, body: () => Promise<T>): Promise<T> {
  bytes[at]! ^= 1 << bit;
  try {
    return await body();
  } finally {
    bytes[at]! ^= 1 << bit;
  }
}
/** From the start of the image. */
function inFile(name: string): number {
  const read = (at: number, length: number): Uint8Array => bytes.subarray(parts.boot.start + at, parts.boot.start + at + length);
  return parts.boot.start + findInFat(read, `/${name}`).extents[0]!.start;
}
const inSector = (at: number): number => parts.boot.start + at;
const fatAt = (copy: number): number =>
  inSector((bytes.readUInt16LE(inSector(14)) + copy * bytes.readUInt16LE(inSector(22))) * 512);
const folderAt = (): number => fatAt(2);

test("an image is whole", async () => {
  const { found, findings } = await check();
  assert.deepEqual(findings, []);
  assert.equal(found?.manifest.name, "test");
});

/** Where a bit is changed, and what is to be said. */
const flips: readonly (readonly [where: string, at: () => number, part: string, what: RegExp])[] = [
  ["the place of a boot loader", () => 17, "outside", /^outside the partitions: byte 17 is not zero$/],
  ["the MBR's disk signature", () => 441, "table", /^the partition table: byte 441 is not as/],
  ["the protective MBR's entry", () => 455, "table", /^the partition table: byte 455 is not/],
  ["the protective MBR's type", () => 450, "table", /protective MBR/],
  ["the primary header", () => 512 + 60, "table", /primary header: wrong checksum/],
  ["what follows the primary header", () => 512 + 100, "table", /^the partition table: byte 612 is not/],
  ["between header and entries", () => 5000, "outside", /byte 5000 is not zero/],
  ["the primary entries", () => 24_576 + 40, "table", /primary entries: wrong checksum/],
  ["before the first partition", () => MiB - 1, "outside", /byte 1048575 is not zero/],
  ["the FAT's boot sector", () => inSector(13), "boot", /clusters have/],
  ["the FAT's maker", () => inSector(5), "boot", /^the boot partition's tables: byte/],
  ["the FAT's boot code", () => inSector(100), "boot", /^the boot partition's tables: byte/],
  ["the FAT's label", () => inSector(44), "boot", /^the boot partition's tables: byte/],
  ["reserved sectors", () => inSector(600), "boot", /not/],
  ["the first allocation table", () => fatAt(0) + 4, "boot", /./],
  ["the second allocation table", () => fatAt(1) + 4, "boot", /^the boot partition's tables: byte/],
  ["the unused end of the second allocation table", () => fatAt(2) - 1, "boot", /^the boot partition's tables: byte/],
  ["a file's date", () => folderAt() + 32 + 24, "boot", /^the boot partition's tables: byte/],
  ["the unused end of the folder", () => folderAt() + 5000, "boot", /^the boot partition's tables: byte/],
  ["vmlinuz", () => inFile("vmlinuz") + 7, "boot", /^vmlinuz is not the file of the manifest$/],
  [
    "what follows vmlinuz in its last cluster",
    () => inFile("vmlinuz") + 3001,
    "boot",
    /^the boot partition's free space: byte \d+ is not zero$/,
  ],
  ["initrd", () => inFile("initrd") + 700, "boot", /^initrd is not the file of the manifest$/],
  ["image.cfg", () => inFile("image.cfg") + 7, "boot", /^image.cfg is not the file of the manifest$/],
  ["SHA256SUMS", () => inFile("SHA256SUMS") + 7, "boot", /^SHA256SUMS does not say/],
  [
    "a free cluster",
    () => parts.boot.start + parts.boot.size - 512,
    "boot",
    /^the boot partition's free space: byte \d+ is not zero$/,
  ],
  ["the last byte of the boot partition", () => parts.boot.start + parts.boot.size - 1, "boot", /./],
  ["the root file system", () => parts.root.start + 5000, "root", /^block 1 of the root file system does not match/],
  ["behind the root file system", () => parts.root.start + parts.root.size, "outside", /is not zero/],
  ["the hash tree's superblock", () => parts.verity.start + 9, "root-verity", /superblock/],
  ["the hash tree's UUID", () => parts.verity.start + 20, "root-verity", /^the UUID of the hash tree: byte \d+ is not as/],
  ["the hash tree", () => parts.verity.start + 4096, "root-verity", /^block 1 of the hash tree/],
  ["behind the hash tree", () => parts.verity.start + parts.verity.size, "outside", /is not zero/],
  ["the backup entries", () => bytes.length - 4096 - 2 * 16_384 + 40, "table", /backup entries: wrong checksum/],
  ["between the backup's entries and its header", () => bytes.length - 700, "outside", /is not zero/],
  ["the backup header", () => bytes.length - 512 + 60, "table", /backup header/],
  ["the last byte", () => bytes.length - 1, "table", /^the partition table: byte/],
];
for (const [where, at, part, what] of flips) {
  test(`a changed bit in ${where} is found and named`, async () => {
    const { findings } = await withFlip(at(), 4, async () => await check());
    assert.ok(findings[0]);
    assert.equal(findings[0].part, part, findings[0].what);
    assert.match(findings[0].what, what);
  });
}

for (const [key, from, to] of [
  ["name", '"name": "test"', '"name": "tesu"'],
  ["version", "1.2.3", "1.2.2"],
  ["created", "1700000000", "1700000001"],
  ["kernel", "6.12.0-test", "6.12.0-tesu"],
  ["layout", '"format": 1', '"format" :1'],
] as const) {
  test(`a manifest with another ${key} is found, though no digest covers it`, async () => {
    const image = Buffer.from(bytes);
    image.write(to, image.indexOf(from, inFile("manifest.json")));
    const { findings } = await check(image);
    assert.ok(findings.some(({ part }) => part === "manifest" || part === "boot"));
  });
}

test("a kernel without modules answers for its version itself", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-check-"));
  const tools = await testTools();
  for (const [version, what] of [
    [treeFacts.kernel, undefined],
    ["6.12.1", /no modules of the kernel 6\.12\.0-test, .* its kernel says that it is 6\.12\.1$/],
  ] as const) {
    const path = join(dir.path, version);
    await treeImage(tools, [], path, { modules: false, vmlinuz: fakeKernel(version) });
    const { findings } = await check(await readFile(path));
    if (what) assert.match(findings[0]!.what, what);
    else assert.deepEqual(findings, []);
  }
});

test("an image that is cut short is found, wherever it ends", async () => {
  for (const length of [
    0,
    511,
    512,
    MiB,
    parts.root.start + 4096,
    parts.verity.start,
    bytes.length - MiB,
    bytes.length - 512,
    bytes.length - 1,
  ]) {
    assert.notDeepEqual((await check(bytes.subarray(0, length))).findings, [], `cut to ${length} bytes`);
  }
});

test("bytes behind the image are found, zero or not", async () => {
  for (const more of [Buffer.alloc(1), Buffer.alloc(512), noise(2 * MiB, "more")]) {
    const { findings } = await check(Buffer.concat([bytes, more]));
    assert.deepEqual(findings, [
      {
        part: "outside",
        what: `the file goes on for ${more.length} bytes behind the image`,
        range: { start: bytes.length, size: more.length },
      },
    ]);
  }
});

test("what is hidden in several places is told place by place", async () => {
  const image = Buffer.from(bytes);
  for (const at of [100, 6000, 6001, 6010, 9000]) image[at] = 1;
  const { findings } = await check(image);
  assert.deepEqual(
    findings.map(({ range }) => range),
    [
      { start: 100, size: 1 },
      { start: 6000, size: 11 },
      { start: 9000, size: 1 },
    ],
  );
});

test("every single changed bit is found, wherever it is", { timeout: 3_600_000 }, async (t) => {
  // Samples of everything, and of the bytes that are set in tables and small files; in full runs each bit of those.
  const places: [at: number, bit: number][] = [];
  const random = (i: number, what: string): number => createHash("sha256").update(`${seed} ${what} ${i}`).digest().readUInt32LE();
  const samples = full ? 10_000 : 300;
  for (let i = 0; i < samples; i++) places.push([random(i, "any") % bytes.length, random(i, "bit") % 8]);
  const [kernel, rest] = [inFile("vmlinuz"), inFile("image.cfg")]; // kernel and initrd lie between, noise
  const isDense = (at: number): boolean => (at < kernel || at >= rest) && (at < parts.root.start || at >= parts.verity.start);
  const dense = [...bytes.keys()].filter((at) => bytes[at] !== 0 && isDense(at));
  const few = dense.filter((_, i) => full || random(i, "dense") % 30 === 0);
  for (const at of few) for (let bit = 0; bit < 8; bit++) if (full || random(at, "which") % 8 === bit) places.push([at, bit]);
  for (const [at, bit] of places) {
    const isFound = await withFlip(at, bit, async () => {
      // Of another processor or a later format: not judged, and not taken for whole.
      return await check().then(
        ({ findings }) => findings.length > 0,
        (error: { code?: string }) => (error.code ?? "").startsWith("IMAGE_"),
      );
    });
    assert.ok(isFound, `bit ${bit} of byte ${at}`);
  }
  t.diagnostic(`${places.length} bits of ${bytes.length * 8}`);
});
