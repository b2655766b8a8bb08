import assert from "node:assert/strict";
import { mkdtempDisposable, readFile, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import * as fc from "fast-check";
import { testTools } from "../../tests/support/tools.ts";
import { AppError } from "../core/error.ts";
import { KiB, MiB } from "../core/units.ts";
import { fatLabel, findInFat } from "./fat.ts";
import type { ReadAt } from "./gpt.ts";

/** A volume made by mkfs.vfat and mtools: a folder that fills more than a cluster, and a file in pieces. */
async function makeVolume(size: number, options: readonly string[]): Promise<Buffer> {
  const tools = await testTools();
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-fat-"));
  const path = join(dir.path, "volume");
  await writeFile(path, "");
  await truncate(path, size);
  const tool = async (...argv: [string, ...string[]]) =>
    await tools.run(argv, { binds: [{ source: dir.path, target: "/tmp/d", writable: true }], env: { MTOOLS_SKIP_CHECK: "1" } });
  await tool("mkfs.vfat", ...options, "/tmp/d/volume");
  await tool("mmd", "-i", "/tmp/d/volume", "::/petrify", "::/petrify/deep");
  const put = async (name: string, bytes: Uint8Array): Promise<void> => {
    await writeFile(join(dir.path, "file"), bytes);
    await tool("mcopy", "-o", "-i", "/tmp/d/volume", "/tmp/d/file", `::${name}`);
  };
  await put("/gap1", new Uint8Array(20 * KiB).fill(1));
  await put("/gap2", new Uint8Array(20 * KiB).fill(2));
  await put("/petrify/tries.env", tries);
  await put("/empty", new Uint8Array());
  await put(longName, Buffer.from("long"));
  await tool("mdel", "-i", "/tmp/d/volume", "::/gap1");
  await put("/petrify/deep/pieces.bin", pieces);
  return await readFile(path);
}
const longName = "/petrify/a-longer-name-in-three-pieces.json";
const tries = new TextEncoder().encode("# GRUB Environment Block\ntry_a=3\n".padEnd(1024, "#"));
const pieces = Uint8Array.from({ length: 60 * KiB + 5 }, (_, i) => i % 251);
const readerOf =
  (bytes: Uint8Array): ReadAt =>
  (offset, length) =>
    bytes.subarray(offset, offset + length);
const contents = (volume: Buffer, path: string): Buffer => {
  const { size, extents } = findInFat(readerOf(volume), path);
  const bytes = Buffer.concat(extents.map((extent) => volume.subarray(extent.start, extent.start + extent.size)));
  assert.equal(bytes.length, size);
  return bytes;
};

const volumes: readonly [name: string, size: number, options: readonly string[]][] = [
  ["FAT12 of 512-byte sectors", 4 * MiB, ["-F", "12", "-s", "4"]],
  ["FAT16 of 512-byte sectors", 16 * MiB, ["-F", "16", "-s", "4"]],
  ["FAT16 of 4096-byte sectors, as on a petrify disk", 64 * MiB, ["-F", "16", "-S", "4096", "-s", "1"]],
  ["FAT32", 36 * MiB, ["-F", "32", "-s", "1"]],
];
for (const [name, size, options] of volumes) {
  test(`files are found on ${name}`, async () => {
    const volume = await makeVolume(size, options);
    assert.equal(fatLabel(readerOf(volume)), "");
    assert.deepEqual(contents(volume, "/petrify/tries.env"), Buffer.from(tries));
    assert.deepEqual(contents(volume, "/PETRIFY/Deep/pieces.bin"), Buffer.from(pieces));
    // mtools fills gaps on all but FAT32, where it goes on after the last cluster it took.
    const inPieces = findInFat(readerOf(volume), "/petrify/deep/pieces.bin").extents.length > 1;
    assert.equal(inPieces, name !== "FAT32");
    assert.deepEqual(findInFat(readerOf(volume), "/empty"), { size: 0, extents: [] });
    for (const alias of [longName, longName.toUpperCase(), "/petrify/a-long~1.jso"]) {
      assert.deepEqual(contents(volume, alias), Buffer.from("long"));
    }
    for (const missing of ["/gap1", "/petrify", "/petrify/tries.env/x", "/petrify/nothing", "/"]) {
      assert.throws(() => findInFat(readerOf(volume), missing), { code: "FAT_FILE_MISSING" });
    }
  });
}

for (const bits of ["12", "16", "32"]) {
  test(`the label of a FAT${bits} is the one of its root folder, else the one of its boot sector`, async () => {
    const volume = await makeVolume(bits === "32" ? 36 * MiB : 16 * MiB, [
      "-F",
      bits,
      "-n",
      "CIDATA",
      "-s",
      bits === "12" ? "16" : "1",
    ]);
    assert.equal(fatLabel(readerOf(volume)), "CIDATA");
    const inBoot = volume.indexOf("CIDATA");
    const inRoot = volume.lastIndexOf("CIDATA");
    assert.ok(inBoot < 512 && inRoot > 512);
    volume.write("OTHER ", inBoot);
    assert.equal(fatLabel(readerOf(volume)), "CIDATA");
    volume[inRoot] = 0xe5; // deleted
    assert.equal(fatLabel(readerOf(volume)), "OTHER");
  });
}

test("whatever the bytes, the search ends, with an extent or with an AppError", async () => {
  const whole = await makeVolume(4 * MiB, ["-F", "12", "-s", "4"]);
  const place = fc.oneof(fc.nat(511), fc.nat(40 * KiB));
  fc.assert(
    fc.property(fc.array(fc.tuple(place, fc.nat(255)), { minLength: 1, maxLength: 20 }), (changes) => {
      const volume = Buffer.from(whole);
      for (const [at, value] of changes) volume[at] = value;
      try {
        fatLabel(readerOf(volume));
        findInFat(readerOf(volume), "/petrify/deep/pieces.bin");
      } catch (error) {
        assert.ok(error instanceof AppError && error.code.startsWith("FAT_"), String(error));
      }
    }),
    { numRuns: 500 },
  );
  assert.throws(() => findInFat(readerOf(new Uint8Array(512)), "/x"), { code: "FAT_INVALID" });
});

const small = async (): Promise<Buffer> => await makeVolume(4 * MiB, ["-F", "12", "-s", "4"]);
/** GRUB reads this name and no other. */
const longNameAt = (volume: Buffer): number => volume.indexOf("A-LONG~1JSO") - 3 * 32;

for (const [what, change, code] of [
  ["its media type", (volume: Buffer) => (volume[21]! ^= 0x40), "FAT_INVALID"],
  ["the first entry of its table", (volume: Buffer) => (volume[512 * volume.readUInt16LE(14)]! ^= 1), "FAT_INVALID"],
  ["a character of the long name", (volume: Buffer) => (volume[longNameAt(volume) + 1]! ^= 1), "FAT_FILE_MISSING"],
  ["the number of a piece of it", (volume: Buffer) => (volume[longNameAt(volume) + 32]! ^= 1), "FAT_FILE_MISSING"],
  ["the checksum in a piece of it", (volume: Buffer) => (volume[longNameAt(volume) + 64 + 13]! ^= 1), "FAT_FILE_MISSING"],
  ["the short name that it belongs to", (volume: Buffer) => (volume[longNameAt(volume) + 96]! ^= 2), "FAT_FILE_MISSING"],
  ["the file's attributes", (volume: Buffer) => (volume[longNameAt(volume) + 96 + 11]! ^= 0x40), "FAT_FILE_MISSING"],
  ["the file's size", (volume: Buffer) => (volume[longNameAt(volume) + 96 + 31]! ^= 0x80), "FAT_INVALID"],
] as const) {
  test(`a volume where a bit of ${what} has changed is not read otherwise than by GRUB`, async () => {
    const volume = await small();
    assert.deepEqual(contents(volume, longName), Buffer.from("long"));
    change(volume);
    assert.throws(() => findInFat(readerOf(volume), longName), { code });
  });
}

test("a file whose clusters lead back to themselves ends, however large it says that it is", async () => {
  const volume = await small();
  const entry = longNameAt(volume) + 3 * 32;
  const cluster = volume.readUInt16LE(entry + 26);
  const at = 512 * volume.readUInt16LE(14) + Math.floor(cluster * 1.5);
  const pair = volume.readUInt16LE(at);
  volume.writeUInt16LE(cluster % 2 === 0 ? (pair & 0xf000) | cluster : (pair & 0xf) | (cluster << 4), at);
  volume.writeUInt32LE(5 * MiB, entry + 28);
  assert.throws(() => findInFat(readerOf(volume), longName), { code: "FAT_INVALID", message: /larger than the volume/ });
});
