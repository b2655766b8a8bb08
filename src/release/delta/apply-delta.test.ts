import assert from "node:assert/strict";
import { test } from "node:test";
import { zstdCompressSync } from "node:zlib";
import { noise } from "../../../tests/support/small-image.ts";
import { sha256 } from "../../host/sha256.ts";
import { zstdUnpackPieces } from "../../host/zstd.ts";
import { applyDelta, readDeltaHeader } from "./apply-delta.ts";
import { bitEncoder } from "./bit-coder.ts";
import { encodeDeltaHeader } from "./delta-header.ts";
import { differenceModel } from "./difference-model.ts";
import { movesOf } from "./moves.ts";

const readerOf = (bytes: Uint8Array) => ({
  size: bytes.length,
  read: async (at: number, length: number) => await Promise.resolve(Buffer.from(bytes.subarray(at, at + length))),
});
const [oldDigest, newDigest] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];

/** A delta of one frame with these streams, for an image of 8192 bytes made from one of the same size. */
function handMade(
  commands: readonly number[],
  differences: Uint8Array,
  additions: Uint8Array,
  { bomb, size = 0 }: { readonly bomb?: Uint8Array; readonly size?: number } = {},
): Uint8Array {
  const plain = (bytes: Uint8Array) => ({ packing: "plain", packed: bytes.length, size: bytes.length }) as const;
  const first = bomb
    ? ({ packing: "zstd", packed: bomb.length, size: bomb.length + 1 } as const)
    : plain(Uint8Array.from(commands));
  const second = size === 0 ? plain(none) : ({ packing: "model", packed: differences.length, size } as const);
  const head = encodeDeltaHeader(
    {
      ...{ oldDigest, newDigest, oldSize: 8192, newSize: 8192, omitted: { start: 8192, size: 0 }, segmentSize: 8192 },
      ...{ frames: [{ segments: 1, streams: [first, second, plain(additions)] }], segments: [sha256.digest(zeros)] },
    },
    sha256,
  );
  return Buffer.concat([head, bomb ?? Uint8Array.from(commands), differences, additions]);
}
const zeros = new Uint8Array(8192);
const none = new Uint8Array();
const number = (value: number): number[] => (value < 128 ? [value] : [(value % 128) + 128, ...number(Math.floor(value / 128))]);
const [copy, change, add, zero] = [0, 1, 2, 3].map(
  (kind) => (length: number) => number(length * 4 + kind),
) as unknown as Readonly<
  [(length: number) => number[], (length: number) => number[], (length: number) => number[], (length: number) => number[]]
>;

/** Differences of zeros to zeros, and bytes more or fewer. */
function unchanged(more = 0): Uint8Array {
  const encoder = bitEncoder();
  differenceModel(encoder, movesOf(none, 0)).code(new Uint8Array(8192), 0, 8192, zeros);
  const bytes = encoder.bytes();
  const all = new Uint8Array(bytes.length + more);
  all.set(bytes.subarray(0, all.length));
  return all;
}

/** What each would do if it were believed, and what is said. */
const hostile: readonly (readonly [what: string, delta: () => Uint8Array, code: string | undefined, said?: RegExp])[] = [
  ["zeros", () => handMade(zero(8192), none, none), undefined],
  ["a copy", () => handMade([...copy(8192), 0], none, none), undefined],
  ["a copy behind the old image", () => handMade([...copy(8192), 2], none, none), "DELTA_INVALID", /out of the old image/],
  ["a copy before the old image", () => handMade([...copy(8192), 1], none, none), "DELTA_INVALID", /out of the old image/],
  ["a copy of a huge length", () => handMade([...copy(2 ** 40), 0], none, none), "DELTA_INVALID", /out of its segment/],
  ["zeros past the segment", () => handMade(zero(8193), none, none), "DELTA_INVALID", /out of its segment/],
  ["too few commands", () => handMade(zero(8191), none, none), "DELTA_INVALID", /commands end too early/],
  ["too many commands", () => handMade([...zero(8192), ...zero(1)], none, none), "DELTA_INVALID", /more than its segments need/],
  ["too few additions", () => handMade(add(8192), none, none), "DELTA_INVALID", /ends too early/],
  ["too many additions", () => handMade(zero(8192), none, zeros), "DELTA_INVALID", /more than its segments need/],
  ["too few differences", () => handMade([...change(8192), 0], none, none), "DELTA_INVALID", /ends too early/],
  ["differences", () => handMade([...change(8192), 0], unchanged(), none, { size: 8192 }), undefined],
  [
    "too many differences",
    () => handMade(zero(8192), unchanged(), none, { size: 8192 }),
    "DELTA_INVALID",
    /than its segments need/,
  ],
  [
    "differences of a larger size",
    () => handMade([...change(8192), 0], unchanged(), none, { size: 9000 }),
    "DELTA_INVALID",
    /need/,
  ],
  [
    "differences of a smaller size",
    () => handMade([...change(8192), 0], unchanged(), none, { size: 8000 }),
    "DELTA_INVALID",
    /early/,
  ],
  ["a byte too much", () => handMade([...change(8192), 0], unchanged(1), none, { size: 8192 }), "DELTA_INVALID", /need/],
  ["differences cut short", () => handMade([...change(8192), 0], unchanged(-1), none, { size: 8192 }), "DELTA_INVALID", /early/],
  ["differences of noise", () => handMade([...change(8192), 0], noise(9000, "noise"), none, { size: 8192 }), "DELTA_OTHER_IMAGE"],
  ["other bytes", () => handMade(add(8192), none, noise(8192, "other")), "DELTA_OTHER_IMAGE"],
  [
    "a bomb",
    () => handMade([], none, none, { bomb: zstdCompressSync(new Uint8Array(2 ** 28)) }),
    "DELTA_INVALID",
    /another size/,
  ],
  ["no zstd", () => handMade([], none, none, { bomb: noise(500, "no zstd") }), "DELTA_INVALID", /cannot be unpacked/],
];
for (const [what, delta, code, said] of hostile) {
  test(`a delta of ${what} is ${code ? "refused, and no wrong byte written" : "applied"}`, async () => {
    let written = 0;
    const reader = readerOf(delta());
    const attempt = async (): Promise<void> =>
      await applyDelta(await readDeltaHeader(reader, sha256), {
        ...{ old: readerOf(zeros), delta: reader, sha256, unpack: zstdUnpackPieces, from: 0, done: () => {} },
        write: async (at, bytes) => {
          assert.ok(bytes.every((byte) => byte === 0) && at === written);
          written += bytes.length;
          await Promise.resolve();
        },
      });
    if (code) await assert.rejects(attempt(), { code, ...(said ? { message: said } : {}) });
    else await attempt();
    if (!code) assert.equal(written, 8192);
  });
}

test("segments are made in the same memory, whatever frame they are of, and it goes back in the end, also where a delta is refused", async () => {
  const size = 1024 * 1024;
  const streamOf = (bytes: Uint8Array) => ({ packing: "plain", packed: bytes.length, size: bytes.length }) as const;
  const commands = Uint8Array.from(zero(size));
  for (const last of [sha256.digest(new Uint8Array(size)), newDigest]) {
    const head = encodeDeltaHeader(
      {
        ...{ oldDigest, newDigest, oldSize: 0, newSize: 3 * size, omitted: { start: 3 * size, size: 0 }, segmentSize: size },
        frames: [1, 2, 3].map(() => ({ segments: 1, streams: [streamOf(commands), streamOf(none), streamOf(none)] })),
        segments: [sha256.digest(new Uint8Array(size)), sha256.digest(new Uint8Array(size)), last],
      },
      sha256,
    );
    const reader = readerOf(Buffer.concat([head, commands, commands, commands]));
    const made = new Set<ArrayBufferLike>();
    await applyDelta(await readDeltaHeader(reader, sha256), {
      ...{ old: readerOf(none), delta: reader, sha256, unpack: zstdUnpackPieces, from: 0 },
      write: async () => await Promise.resolve(),
      done: (_, segment) => void made.add(segment.buffer),
    }).catch((error: unknown) => assert.ok(last === newDigest, error as Error));
    assert.deepEqual(
      [...made].map(({ byteLength }) => byteLength),
      [0],
    );
  }
});
