import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, test } from "node:test";
import * as fc from "fast-check";
import { noise, smallBootFiles, smallImage, type SmallImage } from "../../tests/support/small-image.ts";
import { testTools } from "../../tests/support/tools.ts";
import { BLOCK, bootFile, damageOf, flipped, readerOf, treeOf, verify } from "../../tests/support/verify.ts";
import { MiB } from "../core/units.ts";
import { openDirect } from "../host/direct-read.ts";
import { sha256 } from "../host/sha256.ts";
import type { Tools } from "../host/tools.ts";
import type { Damage } from "./damage.ts";
import { verifyImage } from "./verify-image.ts";

let tools: Tools;
/** One data block and no tree; a tree of one level; of two; of three. */
let images: Readonly<Record<1 | 100 | 300 | 16_500, SmallImage>>;
before(async () => {
  tools = await testTools();
  images = {
    1: await smallImage(tools, 1),
    100: await smallImage(tools, 100),
    300: await smallImage(tools, 300),
    16_500: await smallImage(tools, 16_500),
  };
});

for (const blocks of [1, 100, 300, 16_500] as const) {
  test(`an image of ${blocks} data blocks is whole`, async () => {
    const image = images[blocks];
    assert.deepEqual(await verify(image), { ok: true, digest: image.digest });
    assert.deepEqual(await verify(image, { digest: undefined }), { ok: true, digest: image.digest });
  });
}

test("an image at the start of a longer file is whole, whatever follows", async () => {
  const image = images[300];
  const slot = Buffer.concat([image.bytes, noise(3 * MiB + 512, "what was there before")]);
  assert.deepEqual(await verify({ ...image, bytes: slot }), { ok: true, digest: image.digest });
});

test("bytes that no partition and no table covers are not read", async () => {
  const image = images[300];
  const { image: reader, reads } = readerOf(image.bytes);
  await verifyImage({ image: reader, sha256 });
  const last = image.parts.verity.start + image.parts.verity.size;
  assert.ok(
    !reads.some(
      ({ offset, length }) =>
        offset < image.bytes.length - MiB && offset + length > last && offset < last + MiB / 2 && offset >= last,
    ),
  );
});

/** Where a bit is changed, and what is to be said about it. */
type Found = readonly [
  at: (image: SmallImage) => number,
  damage: Omit<Damage, "what"> | ((image: SmallImage) => Omit<Damage, "what">),
];
type Flip = readonly [where: string, ...Found];
const inFile =
  (name: string): ((image: SmallImage) => number) =>
  (image) => {
    const { start, size } = bootFile(image, name);
    return start + (size >> 1);
  };
const dataBlock = (of: (blocks: number) => number): Found => [
  (image) => image.parts.root.start + of(image.parts.root.size / BLOCK) * BLOCK + 1234,
  (image) => ({ part: "root", block: of(image.parts.root.size / BLOCK) }),
];
/** `level` as the kernel counts; -1 the top. */
const hashBlock = (level: number, of: (count: number) => number, within = 0): Found => {
  const number = (image: SmallImage): number => {
    const { first, count } = treeOf(image).levels.at(level)!;
    return first + of(count);
  };
  return [
    (image) => image.parts.verity.start + number(image) * BLOCK + within,
    (image) => ({ part: "root-verity", block: number(image) }),
  ];
};
const first = (): number => 0;
const last = (count: number): number => count - 1;
const middle = (count: number): number => count >> 1;
const flips: readonly Flip[] = [
  ["the protective MBR's type", () => 450, { part: "table" }],
  ["the protective MBR's signature", () => 511, { part: "table" }],
  ["the primary header", () => 512 + 60, { part: "table" }],
  ["the primary entries", () => 24_576 + 40, { part: "table" }],
  ["the backup header", ({ bytes }) => bytes.length - 512 + 60, { part: "table" }],
  ["the backup entries", ({ bytes }) => bytes.length - 4096 - 2 * 16_384 + 40, { part: "table" }],
  ["the FAT's boot sector", ({ parts }) => parts.boot.start + 13, { part: "boot" }],
  ["vmlinuz", inFile("vmlinuz"), { part: "boot" }],
  ["initrd", inFile("initrd"), { part: "boot" }],
  ["image.cfg", inFile("image.cfg"), { part: "boot" }],
  ["SHA256SUMS", inFile("SHA256SUMS"), { part: "boot" }],
  ["manifest.json", inFile("manifest.json"), { part: "manifest" }],
  ["the tree's superblock: signature", ({ parts }) => parts.verity.start, { part: "root-verity", block: 0 }],
  ["the tree's superblock: algorithm", ({ parts }) => parts.verity.start + 36, { part: "root-verity", block: 0 }],
  ["the tree's superblock: data blocks", ({ parts }) => parts.verity.start + 72, { part: "root-verity", block: 0 }],
  ["the tree's superblock: salt", ({ parts }) => parts.verity.start + 100, { part: "root-verity", block: 0 }],
  ["what follows the superblock", ({ parts }) => parts.verity.start + 4000, { part: "root-verity", block: 0 }],
  ["the tree's root block", ...hashBlock(-1, first)],
  ["the unused end of the tree's root block", ...hashBlock(-1, first, 4095)],
  ["the first leaf", ...hashBlock(0, first, 100)],
  ["a leaf in the middle", ...hashBlock(0, middle, 2000)],
  ["the last leaf", ...hashBlock(0, last)],
  ["the unused end of the last leaf", ...hashBlock(0, last, 4095)],
  ["the first data block", ...dataBlock(first)],
  ["a data block in the middle", ...dataBlock(middle)],
  ["the last data block", ...dataBlock(last)],
];
const innerFlips: readonly Flip[] = [
  ["the first block of the level between", ...hashBlock(1, first, 100)],
  ["the last block of the level between", ...hashBlock(1, last)],
  ["its unused end", ...hashBlock(1, last, 4000)],
];
for (const [blocks, list] of [
  [300, flips],
  [16_500, [...flips.slice(-9), ...innerFlips]],
] as const) {
  for (const [where, at, damage] of list) {
    test(`${blocks} data blocks: a changed bit in ${where} is found and named`, async () => {
      const image = images[blocks];
      const expected = typeof damage === "function" ? damage(image) : damage;
      await flipped(image, at(image), async () => assert.deepEqual(damageOf(await verify(image)), expected));
      assert.equal((await verify(image)).ok, true);
    });
  }
}

test("without a tree, the only data block is checked against the root hash", async () => {
  const image = images[1];
  const verdict = await flipped(image, image.parts.root.start + 9, async () => await verify(image));
  assert.deepEqual(damageOf(verdict), { part: "root", block: 0 });
});

test("the sentences say what is wrong", async () => {
  const image = images[300];
  const said = async (at: number, digest = image.digest): Promise<string> => {
    const verdict = await flipped(image, at, async () => await verify(image, { digest }));
    return verdict.ok ? "ok" : verdict.damage.what;
  };
  assert.equal(await said(inFile("vmlinuz")(image)), "vmlinuz is not the file of the manifest");
  assert.equal(await said(inFile("SHA256SUMS")(image)), "SHA256SUMS does not say what the manifest says");
  assert.equal(
    await said(inFile("manifest.json")(image)),
    "the manifest is not the one of the boot record: its digest is another",
  );
  assert.equal(await said(512 + 60), "a partition table is damaged: primary header: wrong checksum");
  assert.equal(await said(image.parts.root.start + 7 * BLOCK), "block 7 of the root file system does not match the hash tree");
  assert.equal(await said(image.parts.verity.start + BLOCK), "block 1 of the hash tree does not match the root hash");
  assert.equal(await said(image.parts.verity.start + 3 * BLOCK), "block 3 of the hash tree does not match the block above it");
});

test("veritysetup comes to the same verdict on every part of the tree and the data", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-verify-"));
  for (const image of [images[300], images[1]]) {
    const { parts, bytes, manifest } = image;
    const veritysetup = async (): Promise<boolean> => {
      for (const part of ["root", "verity"] as const) {
        await writeFile(join(dir.path, part), bytes.subarray(parts[part].start, parts[part].start + parts[part].size));
      }
      return await tools
        .run(["veritysetup", "verify", "/tmp/d/root", "/tmp/d/verity", manifest.rootHash], {
          binds: [{ source: dir.path, target: "/tmp/d" }],
        })
        .then(
          () => true,
          () => false,
        );
    };
    assert.equal(await veritysetup(), true);
    const tree = [
      100,
      72,
      36,
      0,
      ...Array.from({ length: treeOf(image).blocks - 1 }, (_, i) => [(i + 1) * BLOCK, (i + 2) * BLOCK - 1]),
    ].flat();
    const data = [0, 150, 299].filter((block) => block < parts.root.size / BLOCK).map((block) => block * BLOCK + 77);
    for (const at of [...tree.map((offset) => parts.verity.start + offset), ...data.map((offset) => parts.root.start + offset)]) {
      const [theirs, ours] = await flipped(image, at, async () => [await veritysetup(), (await verify(image)).ok]);
      assert.deepEqual({ at, ours }, { at, ours: theirs });
      assert.equal(ours, false);
    }
  }
});

test("any changed byte of what is covered is found", async () => {
  const image = images[300];
  const { parts, bytes } = image;
  const UUID = { from: 16, to: 32 }; // of the tree's superblock: nothing reads it
  const areas = [
    ...["vmlinuz", "initrd", "image.cfg", "SHA256SUMS", "manifest.json"].map((name) => bootFile(image, name)),
    { start: parts.root.start, size: parts.root.size },
    { start: parts.verity.start, size: UUID.from },
    { start: parts.verity.start + UUID.to, size: 512 },
    { start: parts.verity.start + UUID.to, size: parts.verity.size - UUID.to },
    { start: 512, size: 92 },
    { start: 24_576, size: 16_384 },
    { start: bytes.length - 512, size: 92 },
    { start: bytes.length - 4096 - 2 * 16_384, size: 16_384 },
  ];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...areas),
      fc.nat(2 ** 30),
      fc.integer({ min: 1, max: 255 }),
      async ({ start, size }, random, change) => {
        const at = start + (random % size);
        bytes[at]! ^= change;
        try {
          assert.equal((await verify(image)).ok, false, `byte ${at} changed by ${change}`);
        } finally {
          bytes[at]! ^= change;
        }
      },
    ),
    { numRuns: 600 },
  );
});

test("where a changed byte of the boot partition's tables is not found, GRUB reads every file all the same", async () => {
  const image = images[1];
  const { bytes, parts } = image;
  const sector = bytes.subarray(parts.boot.start);
  const table = 512 * sector.readUInt16LE(14);
  const folder = table + sector[16]! * sector.readUInt16LE(22) * 512;
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-verify-"));
  const path = join(dir.path, "image");
  const cat = async (name: string): Promise<string> =>
    (
      await tools.run(["grub-fstest", "/tmp/image", "cat", `(loop0,gpt1)/${name}`], {
        binds: [{ source: path, target: "/tmp/image" }],
      })
    ).stdout;
  const sums = Object.entries(image.manifest.boot).map(([name, sum]) => `${sum}  ${name}\n`);
  for (let i = 0, passed = 0; passed < 30; i++) {
    const random = createHash("sha256").update(`flip ${i}`).digest();
    const [start, size] = [
      [0, 62],
      [table, 400],
      [folder, 12 * 32],
    ][random[0]! % 3]!;
    const at = parts.boot.start + start! + (random.readUInt16LE(1) % size!);
    passed += await flipped(
      image,
      at,
      async () => {
        if (!(await verify(image)).ok) return 0;
        await writeFile(path, bytes);
        assert.equal(await cat("SHA256SUMS"), sums.join(""), `byte ${at}`);
        assert.equal(await cat("image.cfg"), smallBootFiles["image.cfg"].toString(), `byte ${at}`);
        return 1;
      },
      random[3]! % 8,
    );
  }
});

test("a file on the disk is checked with direct reads", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-verify-"));
  const path = join(dir.path, "image");
  const image = images[300];
  await writeFile(path, image.bytes);
  await using file = await openDirect(path);
  assert.deepEqual(await verifyImage({ image: file, sha256, digest: image.digest }), { ok: true, digest: image.digest });
  await flipped(image, image.parts.root.start + 299 * BLOCK, async () => await writeFile(path, image.bytes));
  assert.deepEqual(damageOf(await verifyImage({ image: file, sha256, digest: image.digest })), { part: "root", block: 299 });
});

for (const [what, at, damage] of flips.filter(
  ([where]) => !/MBR|sector|signature|algorithm|superblock:|unused|follows/.test(where),
)) {
  for (const code of ["EIO", "ENODATA"]) {
    test(`a sector of ${what} that cannot be read (${code}) is damage`, async () => {
      const image = images[300];
      const bad = Math.floor(at(image) / 512) * 512;
      const { image: reader } = readerOf(image.bytes, (offset, length) =>
        offset < bad + 512 && offset + length > bad ? code : undefined,
      );
      const verdict = await verifyImage({ image: reader, sha256, digest: image.digest });
      assert.ok(!verdict.ok);
      const expected = typeof damage === "function" ? damage(image) : damage;
      // The small image's tables and boot files share the pages that its tables are read in.
      assert.deepEqual(damageOf(verdict)!.block, expected.block);
      if (expected.part !== "manifest") assert.equal(verdict.damage.part, expected.part);
      if (expected.part !== "table") assert.match(verdict.damage.what, new RegExp(`cannot be read \\(${code}\\)$`));
    });
  }
}
