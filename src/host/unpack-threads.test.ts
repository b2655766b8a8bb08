import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import { zstdQuickPack } from "./zstd.ts";
import { openUnpackThreads } from "./unpack-threads.ts";

const SALT = "5a".repeat(32);
const sum = (...parts: readonly Uint8Array[]): string => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
};

test("what was packed comes back, each its own, with its digest and those of its whole blocks", async () => {
  await using threads = openUnpackThreads({ salt: SALT });
  const all = Array.from({ length: 20 }, (_, index) => randomBytes((index % 2 === 0 ? 3 : 300) * 4096 + index));
  await Promise.all(
    all.map(async (bytes) => {
      const found = await threads.unpack(zstdQuickPack(bytes), bytes.length);
      assert.ok(bytes.equals(found));
      const { whole, blocks } = threads.digestsOf(found)!;
      assert.equal(Buffer.from(whole).toString("hex"), sum(bytes));
      const expected = Array.from({ length: Math.floor(bytes.length / 4096) }, (_, index) =>
        sum(Buffer.from(SALT, "hex"), bytes.subarray(index * 4096, (index + 1) * 4096)),
      );
      assert.equal(Buffer.from(blocks).toString("hex"), expected.join(""));
    }),
  );
  assert.equal(threads.digestsOf(all[0]!), undefined, "of other bytes nothing is known");
});

test("what cannot be unpacked, or comes to more than it may, is a failure, and the thread goes on", async () => {
  await using threads = openUnpackThreads({ salt: SALT });
  await assert.rejects(threads.unpack(new Uint8Array(100), 4096), /Unknown frame descriptor/);
  await assert.rejects(threads.unpack(zstdQuickPack(new Uint8Array(8192)), 4096), /larger than 4096/);
  for (let times = 0; times < 4; times++) {
    const found = await threads.unpack(zstdQuickPack(Buffer.from("text")), 4096);
    assert.equal(Buffer.from(found).toString(), "text");
  }
});
