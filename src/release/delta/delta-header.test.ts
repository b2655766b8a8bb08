import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { AppError } from "../../core/error.ts";
import { sha256 } from "../../host/sha256.ts";
import { commandReader, commandWriter, type Command } from "./commands.ts";
import { coveredSize, decodeDeltaHeader, encodeDeltaHeader, frameSize, type DeltaHeader } from "./delta-header.ts";

const digest = (seed: number): Uint8Array => new Uint8Array(32).fill(seed);
const header: DeltaHeader = {
  ...{ oldDigest: digest(1), newDigest: digest(2), oldSize: 50_000, newSize: 41_000 },
  ...{ omitted: { start: 20_000, size: 4096 }, segmentSize: 8192 },
  frames: [
    {
      segments: 2,
      streams: [
        { packing: "plain", packed: 10, size: 10 },
        { packing: "model", packed: 100, size: 9000 },
        { packing: "plain", packed: 0, size: 0 },
      ],
    },
    {
      segments: 3,
      streams: [
        { packing: "zstd", packed: 10, size: 11 },
        { packing: "plain", packed: 0, size: 0 },
        { packing: "plain", packed: 7, size: 7 },
      ],
    },
  ],
  segments: [1, 2, 3, 4, 5].map(digest),
};
const sizeOf = (head: Uint8Array, { frames }: DeltaHeader): number =>
  frames.reduce((size, frame) => size + frameSize(frame), head.length);

test("a head is read as it was written", () => {
  const bytes = encodeDeltaHeader(header, sha256);
  assert.deepEqual(decodeDeltaHeader(bytes, sizeOf(bytes, header), sha256), header);
  assert.equal(coveredSize(header), 36_904);
});

/** A change of a sound head, its checksum made right again, and what is said of it. */
const lies: readonly (readonly [what: string, change: (view: DataView) => void, said: RegExp])[] = [
  ["an image of a size that none has", (view) => view.setBigUint64(32, 2n ** 60n, true), /of an image of/],
  ["what is left out outside the image", (view) => view.setBigUint64(40, 40_000n, true), /lies outside/],
  ["what is left out of a huge size", (view) => view.setBigUint64(48, 2n ** 63n, true), /of an image of/],
  ["segments of no bytes", (view) => view.setUint32(16, 0, true), /segments of 0 bytes/],
  ["segments of 1 GiB", (view) => view.setUint32(16, 2 ** 30, true), /segments of/],
  ["more frames than it has", (view) => view.setUint32(20, 0xffff_ffff, true), /wrong size/],
  ["a frame without segments", (view) => view.setUint32(128, 0, true), /a frame is empty/],
  ["frames of other segments", (view) => view.setUint32(128, 3, true), /do not hold its segments/],
  ["a packing that is not known", (view) => view.setUint32(132, 9, true), /not known/],
  ["a bomb", (view) => view.setUint32(180, 0xffff_fff0, true), /frame is too large/],
  ["much to be held", (view) => view.setUint32(148, 0xffff_fff0, true), /frame is too large/],
  ["packed bytes that are more than unpacked ones", (view) => view.setUint32(180, 10, true), /larger packed/],
  ["differences packed as another stream", (view) => view.setUint32(144, 1, true), /not its own/],
  ["commands packed as differences", (view) => view.setUint32(132, 2, true), /not its own/],
  ["plain bytes of another size", (view) => view.setUint32(136, 11, true), /larger packed/],
  ["streams that do not end with the delta", (view) => view.setUint32(148, 99, true), /another size/],
  ["reserved bytes", (view) => view.setUint32(56, 1, true), /reserved/],
  ["a larger newer image", (view) => view.setBigUint64(32, 2n ** 39n, true), /wrong size/],
];
for (const [what, change, said] of lies) {
  test(`a head that tells of ${what} is refused`, () => {
    const bytes = encodeDeltaHeader(header, sha256);
    const size = sizeOf(bytes, header);
    change(new DataView(bytes.buffer));
    assert.throws(() => decodeDeltaHeader(bytes, size, sha256), { code: "DELTA_INVALID", message: /its head is damaged/ });
    bytes.set(sha256.digest(bytes.subarray(0, -32)), bytes.length - 32);
    assert.throws(() => decodeDeltaHeader(bytes, size, sha256), { code: "DELTA_INVALID", message: said });
  });
}

test("a head of a later format is told from a damaged one", () => {
  const bytes = encodeDeltaHeader(header, sha256);
  bytes[8] = 2;
  assert.throws(() => decodeDeltaHeader(bytes, 10_000, sha256), { code: "DELTA_NEWER" });
});

test("whatever the bytes, a head is read or refused", () => {
  const sound = encodeDeltaHeader(header, sha256);
  const refused = (bytes: Uint8Array): void => {
    try {
      decodeDeltaHeader(bytes, sizeOf(sound, header), sha256);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), refused));
  const change = fc.tuple(fc.nat(sound.length - 33), fc.nat(255));
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), (changes) => {
      const bytes = Uint8Array.from(sound);
      for (const [at, value] of changes) bytes[at] = value;
      bytes.set(sha256.digest(bytes.subarray(0, -32)), bytes.length - 32);
      refused(bytes);
    }),
  );
});

test("commands are read as they were written", () => {
  const length = fc.integer({ min: 1, max: 2 ** 40 });
  const command: fc.Arbitrary<Command> = fc.oneof(
    fc.record({ kind: fc.constantFrom("copy" as const, "change" as const), length, from: fc.nat(2 ** 31 - 1) }),
    fc.record({ kind: fc.constantFrom("add" as const, "zero" as const), length }),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(), command)), (commands) => {
      const writer = commandWriter();
      for (const [at, written] of commands) writer.write(at, written);
      const reader = commandReader(writer.bytes());
      for (const [at, written] of commands) assert.deepEqual(reader.next(at), { ...written });
      assert.ok(reader.isAtEnd());
      assert.throws(() => reader.next(0), { code: "DELTA_INVALID", message: /end too early/ });
    }),
  );
});

for (const [what, bytes] of [
  ["does nothing", [0x00]],
  ["is written longer than it is", [0x86, 0x00]],
  ["has a number that is too large", [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]],
] as const) {
  test(`a command that ${what} is refused`, () => {
    assert.throws(() => commandReader(Uint8Array.from(bytes)).next(0), { code: "DELTA_INVALID" });
  });
}
