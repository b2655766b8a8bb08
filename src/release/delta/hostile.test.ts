import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { constants, zstdCompressSync } from "node:zlib";
import * as fc from "fast-check";
import { AppError } from "../../core/error.ts";
import { KiB, MiB, type Bytes } from "../../core/units.ts";
import { sha256 } from "../../host/sha256.ts";
import { zstdUnpack, zstdUnpackPieces } from "../../host/zstd.ts";
import { MAX_READ } from "../image-reader.ts";
import { applyDelta, readDeltaHeader } from "./apply-delta.ts";
import { commandWriter, type Command } from "./commands.ts";
import { encodeDeltaHeader, MAX_FRAME, type Frame, type PackedStream } from "./delta-header.ts";

const full = process.env["PETRIFY_TEST"] === "full";
const SEGMENT = 4096;
const OLD = 5 * SEGMENT;
/** Longer than the old image, as a slot is: what lies behind it must not be read either. */
const slot = Buffer.alloc(OLD + 3 * SEGMENT, "slot");

interface Stream {
  readonly bytes: Uint8Array;
  readonly packing: PackedStream["packing"];
  /** What the head says, where that is not so. */
  readonly size: Bytes | undefined;
}
interface Hostile {
  /** Of the segments that its frames hold, so many are not in the head. */
  readonly missing: number;
  readonly omitted: { readonly start: Bytes; readonly size: Bytes };
  readonly frames: readonly { readonly segments: number; readonly streams: readonly [Stream, Stream, Stream] }[];
}

const near = (value: number) => fc.integer({ min: -3, max: 3 }).map((by) => Math.max(0, value + by));
const length = fc.oneof(near(SEGMENT), near(1), fc.nat(2 * SEGMENT), fc.constantFrom(2 ** 31, 2 ** 40, 2 ** 50));
const from = fc.oneof(fc.nat(OLD), near(OLD), near(slot.length), fc.constantFrom(2 ** 31, 2 ** 40));
const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({ kind: fc.constantFrom("copy" as const, "change" as const), length: near(SEGMENT), from: fc.nat(4 * SEGMENT) }),
  fc.record({ kind: fc.constantFrom("copy" as const, "change" as const), length, from }),
  fc.record({ kind: fc.constantFrom("add" as const, "zero" as const), length }),
);
/** Most are sound but for one command, and fill their segment. */
const commands = fc
  .tuple(fc.array(command, { maxLength: 5 }), fc.option(command, { nil: undefined, freq: 2 }))
  .map(([list, bad]) => {
    const writer = commandWriter();
    let at = 0;
    const fit = ({ kind, from: old, length: wanted }: Command): void => {
      const room = Math.min(wanted, SEGMENT - at);
      if (room <= 0) return;
      if (old === undefined) writer.write(at, { kind, length: room });
      else writer.write(at, { kind, length: room, from: Math.min(old, OLD - room) });
      at += room;
    };
    list.forEach(fit);
    if (bad) writer.write(at, bad);
    else fit({ kind: "zero", length: SEGMENT });
    return writer.bytes();
  });
const bytes = fc.uint8Array({ maxLength: 300 });
const zstd = (arbitrary: fc.Arbitrary<Uint8Array>) => arbitrary.map((plain) => Uint8Array.from(zstdCompressSync(plain)));
/** Of unpacked bytes. */
const lie = fc.option(fc.oneof(fc.nat(3 * SEGMENT), fc.constantFrom(MAX_FRAME, MAX_FRAME + 1, 2 ** 32 - 1)), {
  nil: undefined,
  freq: 2,
});
const none = fc.constant(new Uint8Array());
const bomb = fc.constant(Uint8Array.from(zstdCompressSync(new Uint8Array(2 ** 22))));
const stream = (own: fc.Arbitrary<Uint8Array>, ...packings: readonly Stream["packing"][]): fc.Arbitrary<Stream> =>
  fc.oneof(
    { weight: 8, arbitrary: fc.record({ bytes: own, packing: fc.constantFrom(...packings), size: fc.constant(undefined) }) },
    { weight: 1, arbitrary: fc.record({ bytes: zstd(fc.oneof(own, bytes)), packing: fc.constant("zstd" as const), size: lie }) },
    { weight: 1, arbitrary: fc.record({ bytes: bomb, packing: fc.constant("zstd" as const), size: lie }) },
    { weight: 1, arbitrary: fc.record({ bytes: own, packing: fc.constantFrom(...packings), size: lie }) },
  );
const differences = fc.oneof(
  { weight: 1, arbitrary: none.map((empty): Stream => ({ bytes: empty, packing: "plain", size: undefined })) },
  {
    weight: 1,
    arbitrary: fc.record({ bytes, packing: fc.constant("model" as const), size: fc.oneof(fc.nat(2 * SEGMENT), lie) }),
  },
);
const frame = fc.record({
  segments: fc.oneof({ weight: 9, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.nat(3) }),
  streams: fc.tuple(stream(commands, "plain"), differences, stream(fc.oneof(none, none, bytes), "plain")),
});
const hostile: fc.Arbitrary<Hostile> = fc.record({
  missing: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.integer({ min: -1, max: 2 }) }),
  omitted: fc.record({ start: fc.nat(SEGMENT), size: fc.oneof(fc.constant(0), fc.nat(SEGMENT)) }),
  frames: fc.array(frame, { minLength: 1, maxLength: 4 }),
});

/** With a head whose digest is right: whoever makes it can say what he likes. */
function deltaOf({ missing, omitted, frames }: Hostile): Uint8Array {
  const segments = Math.max(1, frames.reduce((total, one) => total + one.segments, 0) - missing);
  const newSize = segments * SEGMENT + omitted.size;
  const head = encodeDeltaHeader(
    {
      ...{ oldDigest: new Uint8Array(32), newDigest: new Uint8Array(32), oldSize: OLD, newSize, omitted, segmentSize: SEGMENT },
      frames: frames.map((one): Frame => {
        const [a, b, c] = one.streams.map(({ bytes: packed, packing, size }) => ({
          ...{ packing, packed: packed.length, size: size ?? (packing === "zstd" ? 2 * packed.length : packed.length) },
        }));
        return { segments: one.segments, streams: [a!, b!, c!] };
      }),
      segments: Array.from({ length: segments }, () => new Uint8Array(32)),
    },
    sha256,
  );
  return Buffer.concat([head, ...frames.flatMap((one) => one.streams.map((each) => each.bytes))]);
}

interface Seen {
  segments: number;
  written: Bytes;
  refused: number;
  /** The most that was unpacked at once. */
  unpacked: Bytes;
}
/** Whatever it does is looked at; what it says of segments is believed, so that it comes as far as it can. */
async function apply(delta: Uint8Array, seen: Seen): Promise<void> {
  const read = async (whole: Uint8Array, limit: Bytes, at: Bytes, size: Bytes): Promise<Uint8Array> => {
    assert.ok(at >= 0 && size >= 0 && size <= MAX_READ, `a read of ${size} bytes`);
    assert.ok(at + size <= limit, `a read at ${at}, outside`);
    return await Promise.resolve(whole.subarray(at, at + size));
  };
  const reader = { size: delta.length, read: async (at: Bytes, size: Bytes) => await read(delta, delta.length, at, size) };
  let end = 0;
  try {
    const header = await readDeltaHeader(reader, sha256);
    await applyDelta(
      { ...header, segments: header.segments.map(() => any) },
      {
        old: { size: slot.length, read: async (at, size) => await read(slot, OLD, at, size) },
        ...{ delta: reader, from: 0, sha256: { ...sha256, digest: () => any } },
        unpack: async function* (packed) {
          let size = 0;
          for await (const piece of zstdUnpackPieces(packed)) {
            size += piece.length;
            seen.unpacked = Math.max(seen.unpacked, size);
            yield piece;
          }
        },
        write: async (at, made) => {
          assert.ok(at >= end && at + made.length <= header.newSize, "a write out of order or of the image");
          const { start, size } = header.omitted;
          assert.ok(at + made.length <= start || at >= start + size, "a write to what is omitted");
          end = at + made.length;
          seen.written += made.length;
          await Promise.resolve();
        },
        done: () => void seen.segments++,
      },
    );
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    seen.refused++;
  }
}
const any = new Uint8Array(32);
/** What comes of a stream at once. */
const PIECE = 64 * KiB;

test("whatever a delta says, nothing is read or written where it may not be, no more is held than a frame, and it ends", async () => {
  const seen: Seen = { segments: 0, written: 0, refused: 0, unpacked: 0 };
  await fc.assert(
    fc.asyncProperty(hostile, async (one) => {
      await apply(deltaOf(one), seen);
      assert.ok(seen.unpacked <= MAX_FRAME + PIECE, `${seen.unpacked} bytes are unpacked`);
    }),
    { numRuns: full ? 20_000 : 800 },
  );
  assert.ok(seen.segments > (full ? 500 : 20), `only ${seen.segments} segments were made: the fuzz does not come far`);
  assert.ok(seen.refused > 0);
});

test("a stream that wants a window of 128 MiB is refused", async () => {
  const params = {
    [constants.ZSTD_c_windowLog]: 27,
    [constants.ZSTD_c_contentSizeFlag]: 0,
    [constants.ZSTD_c_compressionLevel]: 1,
  };
  const packed = zstdCompressSync(Buffer.alloc(64 * MiB), { params });
  const refused = { code: /ZSTD_error_frameParameter_windowTooLarge|ERR_BUFFER_TOO_LARGE/ };
  await assert.rejects(zstdUnpack(packed, MAX_FRAME), refused);
  await assert.rejects(Array.fromAsync(zstdUnpackPieces(Readable.from([packed]))), refused);
});
