import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { before, test } from "node:test";
import * as fc from "fast-check";
import { smallImage, type SmallImage } from "../../tests/support/small-image.ts";
import { testTools } from "../../tests/support/tools.ts";
import { bootFile, damageOf, verify } from "../../tests/support/verify.ts";
import { MiB } from "../core/units.ts";
import { crc32 } from "../layout/crc32.ts";

let images: Readonly<Record<1 | 300, SmallImage>>;
before(async () => {
  const tools = await testTools();
  images = { 1: await smallImage(tools, 1), 300: await smallImage(tools, 300) };
});

test("whatever the bytes, there is a verdict", async () => {
  const image = images[1];
  const change = fc.tuple(
    fc.oneof(
      fc.nat(image.bytes.length - 1),
      fc.nat(64 * 1024),
      fc.nat(32 * 1024).map((at) => image.parts.boot.start + at),
    ),
    fc.nat(255),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 40 }), fc.boolean(), async (changes, repaired) => {
      const bytes = Buffer.from(image.bytes);
      for (const [at, value] of changes) bytes[at] = value;
      if (repaired) repairTable(bytes);
      damageOf(await verify({ ...image, bytes }));
    }),
    { numRuns: 200 },
  );
  for (const length of [0, 1, 511, 512, 100_000, MiB, 2 * MiB, 3 * MiB, image.bytes.length - 1]) {
    assert.equal((await verify({ ...image, bytes: image.bytes.subarray(0, length) })).ok, false, `cut to ${length} bytes`);
  }
});

/** Checksums of the primary table, so that what it says is believed. */
function repairTable(bytes: Buffer): void {
  bytes.writeUInt32LE(crc32(bytes.subarray(24_576, 24_576 + 16_384)), 512 + 88);
  bytes.writeUInt32LE(0, 512 + 16);
  bytes.writeUInt32LE(crc32(bytes.subarray(512, 512 + 92)), 512 + 16);
}

test("an image whose manifest is of a later format is not judged", async () => {
  const { bytes, ...rest } = images[1];
  const later = Buffer.from(bytes);
  const { start, size } = bootFile(images[1], "manifest.json");
  const at = later.indexOf('"format": 1', start);
  later.write('"format": 2', at);
  const digest = createHash("sha256")
    .update(later.subarray(start, start + size))
    .digest("hex");
  for (const expected of [digest, undefined]) {
    await assert.rejects(verify({ bytes: later, ...rest }, { digest: expected }), { code: "IMAGE_NEWER" });
  }
  assert.deepEqual(damageOf(await verify({ bytes: later, ...rest })), { part: "manifest" }); // it is not the one that is expected
});

test("another image than the expected one is damage, however whole", async () => {
  assert.deepEqual(damageOf(await verify(images[1], { digest: images[300].digest })), { part: "manifest" });
});

for (const [what, from, to] of [
  ["root hash", '"rootHash": "', ""],
  ["size", '"root": ', "9"],
] as const) {
  test(`a manifest of another ${what} than the table's is damage, also when the boot record has it`, async () => {
    const bytes = Buffer.from(images[1].bytes);
    const { start, size } = bootFile(images[1], "manifest.json");
    const at = bytes.indexOf(from, start) + from.length;
    bytes.write(to || (bytes[at] === 0x30 ? "1" : "0"), at);
    const digest = createHash("sha256")
      .update(bytes.subarray(start, start + size))
      .digest("hex");
    assert.deepEqual(damageOf(await verify({ ...images[1], bytes }, { digest })), { part: "table" });
    assert.deepEqual(damageOf(await verify({ ...images[1], bytes }, { digest: undefined })), { part: "manifest" });
  });
}

for (const [what, change] of [
  ["an odd salt", (text: string) => text.replace(/"veritySalt": "./, '"veritySalt":  "')],
  ["a salt that no superblock has room for", (text: string) => text.replace(/"veritySalt": "/, `$&${"00".repeat(300)}`)],
] as const) {
  test(`a manifest with ${what} is damage`, async () => {
    const image = images[1];
    const { start, size } = bootFile(image, "manifest.json");
    const text = change(image.bytes.subarray(start, start + size).toString());
    const bytes = Buffer.from(image.bytes);
    bytes.write(text, start);
    // The size of the file, where its folder entry has it: the cluster behind it is free.
    const entry = bytes.indexOf("MANIFE~1JSO", image.parts.boot.start);
    bytes.writeUInt32LE(text.length, entry + 28);
    assert.ok(text.length <= 2048);
    assert.deepEqual(damageOf(await verify({ ...image, bytes }, { digest: undefined })), { part: "manifest" });
  });
}

test("a manifest as large as a kernel is not read", async () => {
  const image = images[1];
  const bytes = Buffer.from(image.bytes);
  const entryOf = (name: string): number => bytes.indexOf(name, image.parts.boot.start);
  const [kernel, manifest] = [entryOf("VMLINUZ    "), entryOf("MANIFE~1JSO")];
  bytes.copy(bytes, manifest + 26, kernel + 26, kernel + 32); // first cluster and size
  const verdict = await verify({ ...image, bytes });
  assert.deepEqual(verdict, {
    ok: false,
    damage: { part: "manifest", what: "manifest.json has 300001 bytes, which is too much" },
  });
});
