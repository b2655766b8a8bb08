import assert from "node:assert/strict";
import { test } from "node:test";
import { MiB } from "../core/units.ts";
import { zstdPack, zstdQuickPack, zstdUnpack, zstdUnpackPieces } from "./zstd.ts";

const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => (i * i) >> 7);
const packed = zstdQuickPack(bytes);

/** As a reader has them: each in the same memory as the one before. */
async function* pieces(of: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  const own = new Uint8Array(size);
  for (let at = 0; at < of.length; at += size) {
    const piece = of.subarray(at, at + size);
    own.set(piece);
    yield await Promise.resolve(own.subarray(0, piece.length));
    own.fill(0);
  }
}

async function* broken(): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(packed.subarray(0, 100));
  throw new Error("the line is cut");
}

const unpack = async (coming: AsyncIterable<Uint8Array>): Promise<Uint8Array> =>
  Uint8Array.from(Buffer.concat(await Array.fromAsync(zstdUnpackPieces(coming))));

for (const size of [1, 1000, 100_000, packed.length]) {
  test(`what comes in pieces of ${size} bytes unpacks to the same`, async () => {
    assert.deepEqual(await unpack(pieces(packed, size)), bytes);
  });
}

test("pieces that are cut short, or no zstd, are refused; what ends them is told", async () => {
  for (const what of [packed.subarray(0, -1), bytes, new Uint8Array()]) {
    await assert.rejects(unpack(pieces(what, 1000)), { code: /^(Z_BUF_ERROR|ZSTD_error_.*)$/ });
  }
  await assert.rejects(unpack(broken()), { message: "the line is cut" });
});

test("no more is read than is asked for, and who stops asking ends the reader", async () => {
  let read = 0;
  let ended = false;
  const endless = async function* (): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        read += packed.length;
        yield await Promise.resolve(packed);
      }
    } finally {
      ended = true;
    }
  };
  for await (const piece of zstdUnpackPieces(endless())) if (piece.length > 0) break;
  assert.ok(read < 300_000, `${read} bytes were read`);
  assert.ok(ended);
});

/** Of a frame's header; all of what it holds where that is one segment. Source: RFC 8878, section 3.1.1.1 */
const windowOf = (frame: Uint8Array): number =>
  (frame[4]! & 0x20) === 0 ? 2 ** (10 + (frame[5]! >> 3)) * (1 + (frame[5]! & 7) / 8) : Infinity;

test("a large window is only asked for where it saves something", async () => {
  let state = 1;
  const noise = Uint8Array.from({ length: 3 * MiB }, () => (state = (state * 1_103_515_245 + 12_345) % 2 ** 31) >>> 16);
  const twice = Buffer.concat([noise, noise]); // the same again, 3 MiB further on
  for (const [whole, isNear] of [
    [noise, true],
    [twice, false],
  ] as const) {
    const frame = zstdPack(whole);
    assert.equal(windowOf(frame) <= MiB, isNear);
    assert.ok(Buffer.from(whole).equals(await zstdUnpack(frame, whole.length)));
  }
});
