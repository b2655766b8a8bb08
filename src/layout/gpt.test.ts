import assert from "node:assert/strict";
import { mkdtempDisposable, open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import * as fc from "fast-check";
import { testTools } from "../../tests/support/tools.ts";
import { AppError } from "../core/error.ts";
import { MiB } from "../core/units.ts";
import {
  decodeGpt,
  encodeGpt,
  GPT_RESERVED,
  PARTITION_TYPES,
  type Gpt,
  type Partition,
  type ReadAt,
  type SectorSize,
} from "./gpt.ts";

const part = (number: number, name: string, start: number, size: number, more: Partial<Partition> = {}): Partition => ({
  ...{ number, name, type: PARTITION_TYPES.linux, guid: `00000000-0000-4000-8000-00000000000${number}` },
  ...{ start: start * MiB, size: size * MiB, ...more },
});
const gpt: Gpt = {
  diskGuid: "11223344-5566-4788-99aa-bbccddeeff00",
  size: 16 * MiB,
  partitions: [
    part(1, "bios", 1, 1, { type: PARTITION_TYPES.biosBoot, attributes: [2] }),
    part(2, "efi", 2, 4, { type: PARTITION_TYPES.esp }),
    part(4, "zustand-äöü", 8, 7, { attributes: [59, 63] }),
  ],
};
const bytesOf = (value: Gpt, sectorSize: SectorSize | "both"): Uint8Array => {
  const disk = new Uint8Array(value.size);
  for (const { offset, data } of encodeGpt(value, sectorSize)) disk.set(data, offset);
  return disk;
};
const readerOf =
  (disk: Uint8Array): ReadAt =>
  (offset, length) =>
    Buffer.from(disk.buffer).subarray(offset, offset + length);
const decode = (disk: Uint8Array, sectorSize: SectorSize) => decodeGpt(readerOf(disk), disk.length, sectorSize);

for (const [written, read] of [
  [512, 512],
  [4096, 4096],
  ["both", 512],
  ["both", 4096],
] as const) {
  test(`a table written for ${written} reads back with sectors of ${read}`, () => {
    assert.deepEqual(decode(bytesOf(gpt, written), read), gpt);
  });
}

test("no two parts of a table for both sector sizes touch, and the boot loader's 440 bytes are left alone", () => {
  const patches = encodeGpt(gpt, "both");
  assert.equal(patches.length, 9);
  assert.equal(patches[0]!.offset, 440);
  for (const [i, { offset, data }] of patches.entries()) {
    const next = patches[i + 1]?.offset ?? gpt.size;
    assert.ok(offset + data.length <= next, `${offset}+${data.length} runs into ${next}`);
    assert.ok(offset + data.length <= GPT_RESERVED || offset >= gpt.size - GPT_RESERVED);
  }
});

const damages: readonly [what: string, at: number, message: RegExp][] = [
  ["primary signature", 512, /^primary header: no signature/],
  ["primary header", 512 + 56, /^primary header: wrong checksum/],
  ["primary entries", 24_576 + 40, /^primary entries: wrong checksum/],
  ["backup header", 16 * MiB - 512 + 56, /^backup header: wrong checksum/],
  ["backup entries", 16 * MiB - 36_864 + 7, /^backup entries: wrong checksum/],
];
for (const [what, at, message] of damages) {
  test(`a flipped bit in the ${what} is named, and the other copy is used`, () => {
    const disk = bytesOf(gpt, "both");
    disk[at]! ^= 4;
    const { damage, ...rest } = decode(disk, 512);
    assert.deepEqual(rest, gpt);
    assert.match(damage ?? "", message);
    assert.deepEqual(decode(disk, 4096), gpt, "the other sector size's table is not concerned");
  });
}

test("an unreadable first sector is damage like any other", () => {
  const read = readerOf(bytesOf(gpt, 512));
  const failing: ReadAt = (offset, length) => {
    if (offset < 4096) throw new Error("EIO");
    return read(offset, length);
  };
  const { damage, ...rest } = decodeGpt(failing, gpt.size, 512);
  assert.deepEqual(rest, gpt);
  assert.equal(damage, "primary EIO");
});

test("a table copied to a larger disk tells the size of its own", () => {
  const disk = new Uint8Array(gpt.size + 8 * MiB);
  disk.set(bytesOf(gpt, "both"));
  assert.deepEqual(decode(disk, 512), gpt);
});

test("both copies damaged is refused and both are named", () => {
  const disk = bytesOf(gpt, "both");
  disk[600] = 1; // beside the header's 92 bytes: no harm
  disk[512]! ^= 1;
  disk[gpt.size - 36_864]! ^= 1;
  assert.throws(
    () => decode(disk, 512),
    (error) => {
      assert.ok(error instanceof AppError);
      assert.equal(error.code, "GPT_DAMAGED");
      assert.match(error.message, /primary header: no signature; backup entries: wrong checksum/);
      return true;
    },
  );
});

const refused: readonly [why: string, partitions: readonly Partition[], message: RegExp][] = [
  ["overlapping partitions", [part(1, "x", 1, 4), part(2, "y", 4, 2)], /partition 2 \(y\) overlaps/],
  ["a partition over the backup table", [part(1, "x", 1, 15)], /outside the usable part/],
  ["a partition over the primary table", [part(1, "x", 0, 2)], /outside the usable part/],
  ["an empty partition", [part(1, "x", 1, 0)], /ends before it starts/],
  ["half a sector", [part(1, "x", 1, 1, { size: 4096 + 512 })], /sector/],
  ["a long name", [part(1, "x".repeat(37), 1, 1)], /longer than 36/],
  ["one GUID twice", [part(1, "x", 1, 1), part(2, "y", 2, 1, { guid: part(1, "", 1, 1).guid })], /another partition's GUID/],
];
for (const [why, partitions, message] of refused) {
  test(`encodeGpt refuses ${why}`, () => {
    assert.throws(() => encodeGpt({ ...gpt, partitions }, "both"), { code: "GPT_INVALID", message });
  });
}

const onlyDamaged = (body: () => unknown): void => {
  try {
    body();
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "GPT_DAMAGED") throw error;
  }
};
test("decodeGpt fails with GPT_DAMAGED only, whatever the bytes are", () => {
  const small = { ...gpt, size: 4 * MiB, partitions: [part(1, "x", 1, 1)] };
  const whole = bytesOf(small, "both");
  const places = [...Array(92).keys()].flatMap((i) => [512 + i, small.size - 512 + i]).concat(24_576 + 8, 24_576 + 40, 440, 510);
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom(...places), fc.nat(255)), { maxLength: 6 }), (changes) => {
      const disk = whole.slice();
      for (const [at, value] of changes) disk[at] = value;
      onlyDamaged(() => decode(disk, 512));
    }),
    { numRuns: 300 },
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 3000 }), (bytes) => onlyDamaged(() => decode(bytes, 512))));
});
test("a header with a right checksum and wrong numbers fails with GPT_DAMAGED only", async () => {
  const { crc32 } = await import("./crc32.ts");
  const small = { ...gpt, size: 4 * MiB, partitions: [part(1, "x", 1, 1)] };
  const whole = bytesOf(small, 512);
  fc.assert(
    fc.property(fc.integer({ min: 8, max: 91 }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (at, value) => {
      const disk = whole.slice();
      const view = new DataView(disk.buffer);
      view.setBigUint64(512 + Math.min(at, 84), value, true);
      view.setUint32(512 + 16, 0, true);
      view.setUint32(512 + 16, crc32(disk.subarray(512, 604)), true);
      onlyDamaged(() => decode(disk, 512));
    }),
    { numRuns: 500 },
  );
});

test("sfdisk reads and accepts the table at both sector sizes", async () => {
  const tools = await testTools();
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-gpt-"));
  const disk = join(dir.path, "disk.raw");
  await using file = await open(disk, "w");
  await file.writeFile(bytesOf(gpt, "both"));
  for (const sectorSize of [512, 4096]) {
    const sfdisk = async (flag: string) =>
      await tools.run(["sfdisk", "--sector-size", String(sectorSize), flag, disk], { binds: [{ source: dir.path }] });
    const verdict = await sfdisk("--verify");
    assert.match(verdict.stdout, /No errors detected/);
    assert.doesNotMatch(verdict.stderr, /corrupt|mismatch|error/i);
    const { partitiontable: table } = JSON.parse((await sfdisk("--json")).stdout) as { partitiontable: Record<string, unknown> };
    assert.equal(table["id"], gpt.diskGuid.toUpperCase());
    assert.equal(table["sectorsize"], sectorSize);
    assert.deepEqual(
      (table["partitions"] as Record<string, unknown>[]).map(({ node, start, size, type, uuid, name, attrs }) => ({
        node,
        start,
        size,
        type,
        uuid,
        name,
        attrs,
      })),
      gpt.partitions.map(({ number, start, size, type, guid, name, attributes = [] }) => ({
        node: `${disk}${number}`,
        start: start / sectorSize,
        size: size / sectorSize,
        type: type.toUpperCase(),
        uuid: guid.toUpperCase(),
        name,
        attrs: { "2": "LegacyBIOSBootable", "59,63": "GUID:59,63" }[attributes.join(",")],
      })),
    );
  }
});
