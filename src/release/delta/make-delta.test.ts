import assert from "node:assert/strict";
import { mkdtempDisposable, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, test } from "node:test";
import * as fc from "fast-check";
import { deltaPair } from "../../../bench/delta-pair.ts";
import { noise } from "../../../tests/support/small-image.ts";
import { testTools } from "../../../tests/support/tools.ts";
import { treeImage } from "../../../tests/support/tree-image.ts";
import { AppError } from "../../core/error.ts";
import { sha256 } from "../../host/sha256.ts";
import { zstdPack, zstdQuickPack, zstdUnpackPieces } from "../../host/zstd.ts";
import { applyDelta, readDeltaHeader } from "./apply-delta.ts";
import type { DeltaHeader } from "./delta-header.ts";
import type { ImageBytes } from "./image-pieces.ts";
import { makeDelta, type MadeDelta } from "./make-delta.ts";

const full = process.env["PETRIFY_TEST"] === "full";
const imageOf = (bytes: Uint8Array): ImageBytes => ({
  size: bytes.length,
  read: (at, length) => bytes.subarray(at, at + length),
});
const readerOf = (bytes: Uint8Array) => ({
  size: bytes.length,
  read: async (at: number, length: number) => await Promise.resolve(Buffer.from(bytes.subarray(at, at + length))),
});
const packers = { sha256, pack: zstdPack, quickPack: zstdQuickPack, unpack: zstdUnpackPieces } as const;
const [oldDigest, newDigest] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];

let old: Buffer;
let wanted: Buffer;
let made: MadeDelta;
let header: DeltaHeader;
before(async () => {
  const tools = await testTools();
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-delta-"));
  const build = async (version: "old" | "new"): Promise<Buffer> => {
    const path = join(dir.path, version);
    await treeImage(tools, deltaPair(version), path, { vmlinuz: noise(400_000, version) });
    return await readFile(path);
  };
  old = await build("old");
  wanted = await build("new");
  made = await make(old, wanted, true);
  header = await readDeltaHeader(readerOf(made.bytes), sha256);
});

const make = async (from: Uint8Array, to: Uint8Array, limit = false): Promise<MadeDelta> =>
  await makeDelta({
    ...{ old: { image: imageOf(from), digest: oldDigest }, new: { image: imageOf(to), digest: newDigest } },
    ...{ ...packers, segmentSize: 256 * 1024, limit },
  });

interface Applied {
  readonly bytes: Buffer;
  readonly done: number[];
}
/** Every byte that is written must be right and in order, whatever the delta. */
async function apply(
  delta: Uint8Array,
  from: Uint8Array,
  { first = 0, stopAfter = Infinity, bytes = Buffer.alloc(wanted.length, 0xee) } = {},
): Promise<Applied> {
  const done: number[] = [];
  const stop = new AbortController();
  let end = 0;
  const { omitted, segmentSize } = header;
  const covered = Buffer.concat([wanted.subarray(0, omitted.start), wanted.subarray(omitted.start + omitted.size)]);
  const reader = readerOf(delta);
  await applyDelta(await readDeltaHeader(reader, sha256), {
    ...{ old: readerOf(from), delta: reader, sha256, unpack: zstdUnpackPieces, from: first, signal: stop.signal },
    write: async (at, written) => {
      assert.ok(at >= end, "in ascending order");
      end = at + written.length;
      bytes.set(written, at);
      await Promise.resolve();
    },
    done: (segments, segment) => {
      const start = (segments - 1) * segmentSize;
      assert.ok(covered.subarray(start, start + segmentSize).equals(segment), "each segment as a whole");
      done.push(segments);
      if (done.length === stopAfter) stop.abort(new Error("cut"));
    },
  });
  return { bytes, done };
}
function expectedFrom(first: number): Buffer {
  const { omitted, segmentSize } = header;
  const bytes = Buffer.from(wanted);
  bytes.fill(0xee, omitted.start, omitted.start + omitted.size);
  const start = first * segmentSize;
  bytes.fill(0xee, 0, Math.min(start <= omitted.start ? start : start + omitted.size, bytes.length));
  return bytes;
}

test("a delta makes the new image, but for the hash tree", async () => {
  const { bytes, done } = await apply(made.bytes, old);
  assert.ok(bytes.equals(expectedFrom(0)));
  assert.deepEqual(
    done,
    header.segments.map((_, i) => i + 1),
  );
  assert.deepEqual([header.oldDigest, header.newDigest], [oldDigest, newDigest]);
});

test("it is far smaller than what changed, the same every time, and what it costs is told", async () => {
  const plain = zstdPack(wanted).length;
  const kernel = 400_000; // of noise
  assert.ok(made.bytes.length - kernel < 0.1 * (plain - kernel), `${made.bytes.length} of ${plain}`);
  assert.ok((await make(old, wanted)).bytes.every((byte, i) => byte === made.bytes[i]));
  const { explanation } = made;
  assert.equal(explanation.bytes, made.bytes.length);
  assert.ok(explanation.bytes - explanation.head <= explanation.limit!, "together it is no more than each by itself");
  assert.ok(explanation.limit! < 1.1 * explanation.bytes, `${explanation.limit} by itself, ${explanation.bytes} together`);
  const shares = explanation.regions.reduce((total, { bytes }) => total + bytes, explanation.head);
  assert.ok(Math.abs(shares - explanation.bytes) <= 50, `${shares} of ${explanation.bytes}`);
  assert.deepEqual([explanation.pieces[0]?.name, explanation.pieces[0]?.method], ["vmlinuz", "plain"]);
  const modules = explanation.pieces.filter(({ name }) => name.startsWith("/usr/lib/modules/"));
  assert.ok(
    modules.length >= 28 && modules.every(({ against, method }) => against?.includes("6.12.1-bench") && method === "bsdiff"),
  );
});

test("the delta from an image to itself is its head and little else", async () => {
  const { bytes, explanation } = await make(old, old);
  assert.ok(bytes.length - explanation.head < 300, `${bytes.length - explanation.head} bytes`);
  assert.deepEqual(explanation.pieces, []);
});

test("applying goes on at any segment, and reads no frame that is done", async () => {
  for (let first = 0; first <= header.segments.length; first += full ? 1 : 9) {
    const { bytes, done } = await apply(made.bytes, old, { first });
    assert.ok(bytes.equals(expectedFrom(first)), `from ${first}`);
    assert.equal(done.length, header.segments.length - first);
  }
  const cut = made.bytes.slice();
  cut.fill(0, made.explanation.head);
  assert.deepEqual((await apply(cut, old, { first: header.segments.length })).done, []);
});

test("a cut leaves whole segments, and the rest comes when it is asked for again", async () => {
  let first = 0;
  const bytes = Buffer.alloc(wanted.length, 0xee);
  while (first < header.segments.length) {
    const rest = header.segments.length - first;
    const applied = apply(made.bytes, old, { first, stopAfter: 7, bytes });
    if (rest > 7) await assert.rejects(applied, { message: "cut" });
    else await applied;
    first += Math.min(7, rest);
    assert.ok(bytes.subarray(0, header.omitted.start).equals(partlyWritten(first)));
  }
  assert.ok(bytes.equals(expectedFrom(0)));
});
/** What lies before the hash tree when so many segments have been written. */
const partlyWritten = (segments: number): Buffer => {
  const bytes = Buffer.from(wanted.subarray(0, header.omitted.start));
  bytes.fill(0xee, Math.min(segments * header.segmentSize, bytes.length));
  return bytes;
};

test("another old image is refused, at the first segment that would be another one", async () => {
  const changed = Buffer.from(old);
  changed[1024 * 1024 + 700_000]! ^= 1;
  await assert.rejects(apply(made.bytes, changed), { code: "DELTA_OTHER_IMAGE" });
  await assert.rejects(apply(made.bytes, old.subarray(0, -1)), { code: "DELTA_OTHER_IMAGE" });
});

test("a delta with any bytes changed writes only right bytes, or is refused", async () => {
  const right = expectedFrom(0);
  const start = made.explanation.head;
  const attempt = async (delta: Uint8Array): Promise<void> => {
    const reader = readerOf(delta);
    try {
      await applyDelta(await readDeltaHeader(reader, sha256), {
        ...{ old: readerOf(old), delta: reader, sha256, unpack: zstdUnpackPieces, from: 0, done: () => {} },
        write: async (at, bytes) => {
          assert.ok(right.subarray(at, at + bytes.length).equals(bytes), "a wrong byte is written");
          await Promise.resolve();
        },
      });
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
    }
  };
  const place = fc.oneof(
    fc.nat(made.bytes.length - 1),
    fc.nat(start),
    fc.nat(2000).map((at) => start + at),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(place, fc.nat(255)), { minLength: 1, maxLength: 4 }), async (changes) => {
      const delta = made.bytes.slice();
      for (const [at, value] of changes) delta[at] = value;
      await attempt(delta);
    }),
    { numRuns: full ? 1000 : 25 },
  );
  for (const length of [0, 15, 16, 100, start - 1, start, made.bytes.length - 1]) {
    await assert.rejects(readDeltaHeader(readerOf(made.bytes.subarray(0, length)), sha256), { code: "DELTA_INVALID" });
  }
});
