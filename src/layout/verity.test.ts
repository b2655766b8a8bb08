import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AppError } from "../core/error.ts";
import { decodeVeritySuperblock, encodeVeritySuperblock, verityTable } from "./verity.ts";

/** As `veritysetup format` writes it. */
function superblock(): Uint8Array {
  const bytes = new Uint8Array(512);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode("verity"));
  view.setUint32(8, 1, true);
  view.setUint32(12, 1, true);
  bytes.fill(0xab, 16, 32);
  bytes.set(new TextEncoder().encode("sha256"), 32);
  view.setUint32(64, 4096, true);
  view.setUint32(68, 4096, true);
  view.setBigUint64(72, 30_000n, true);
  view.setUint16(80, 32, true);
  bytes.fill(0x5a, 88, 120);
  return bytes;
}

test("a superblock of veritysetup is read", () => {
  assert.deepEqual(decodeVeritySuperblock(superblock()), {
    uuid: "ab".repeat(16),
    algorithm: "sha256",
    dataBlockSize: 4096,
    hashBlockSize: 4096,
    dataBlocks: 30_000,
    salt: "5a".repeat(32),
  });
});

test("a superblock is written as veritysetup writes it", () => {
  assert.deepEqual(encodeVeritySuperblock(decodeVeritySuperblock(superblock())), superblock());
});

test("the table has the tree behind the superblock, and counts its options", () => {
  const { sectors, parameters } = verityTable(
    decodeVeritySuperblock(superblock()),
    "ff".repeat(32),
    { data: "7:0", hash: "7:1" },
    ["restart_on_corruption"],
  );
  assert.equal(sectors, 240_000);
  assert.equal(parameters, `1 7:0 7:1 4096 4096 30000 1 sha256 ${"ff".repeat(32)} ${"5a".repeat(32)} 1 restart_on_corruption`);
});

test("without salt and options the table says so", () => {
  const bytes = superblock();
  bytes.fill(0, 80, 82);
  const { parameters } = verityTable(decodeVeritySuperblock(bytes), "00".repeat(32), { data: "a", hash: "b" }, []);
  assert.match(parameters, / -$/);
});

for (const [what, at, value, message] of [
  ["no signature", 0, 0, /has no signature/],
  ["a later version", 8, 2, /unknown version/],
  ["another hash type", 12, 0, /unknown version/],
  ["blocks of 4097 bytes", 64, 1, /impossible block size/],
  ["a salt of 511 bytes", 81, 1, /impossible salt/],
  ["blocks beyond any disk", 79, 0xff, /impossible number of blocks/],
  ["an algorithm with a space", 33, 0x20, /names no hash algorithm/],
] as const) {
  test(`${what} is damage`, () => {
    const bytes = superblock();
    bytes[at] = at === 81 || at === 79 ? value : at === 64 ? bytes[at]! + value : value;
    if (at === 81) bytes[80] = 0xff;
    assert.throws(() => decodeVeritySuperblock(bytes), { code: "VERITY_DAMAGED", message });
  });
}

test("any bytes are either read or refused", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), fc.nat(511), fc.nat(255), (noise, at, value) => {
      const bytes = superblock();
      bytes[at] = value;
      for (const candidate of [noise, bytes, bytes.subarray(0, at)]) {
        try {
          decodeVeritySuperblock(candidate);
        } catch (error) {
          assert.ok(error instanceof AppError);
        }
      }
    }),
  );
});
