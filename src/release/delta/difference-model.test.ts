import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { deltaPair } from "../../../bench/delta-pair.ts";
import { noise } from "../../../tests/support/small-image.ts";
import { AppError } from "../../core/error.ts";
import { sha256 } from "../../host/sha256.ts";
import { hex } from "../../core/digest.ts";
import { zstdPack } from "../../host/zstd.ts";
import { bitDecoder, bitEncoder } from "./bit-coder.ts";
import { CODED_AT_ONCE, differenceModel, type DifferenceModel } from "./difference-model.ts";

function all(model: DifferenceModel, target: Uint8Array, wanted?: Uint8Array): Uint8Array {
  for (let at = 0; at < target.length; at += CODED_AT_ONCE) {
    model.code(target, at, Math.min(at + CODED_AT_ONCE, target.length), wanted);
  }
  return target;
}
function encode(pairs: readonly (readonly [old: Uint8Array, wanted: Uint8Array])[]): Uint8Array {
  const encoder = bitEncoder();
  const model = differenceModel(encoder);
  for (const [old, wanted] of pairs) all(model, Uint8Array.from(old), wanted);
  return encoder.bytes();
}
/** Two programs, in the later of which something was inserted: the part behind it, which moved. */
const movedProgram = ((): readonly [old: Uint8Array, wanted: Uint8Array] => {
  const [old, wanted] = (["old", "new"] as const).map(
    (version) => deltaPair(version).find(({ path }) => path.endsWith("liblarge.so.0"))!.data as Uint8Array,
  );
  const size = 80_000;
  return [old!.subarray(-size), wanted!.subarray(-size)];
})();

test("what is encoded is decoded, whatever the bytes", () => {
  const bytes = fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 300, max: 1 }));
  const pair = fc.tuple(bytes, bytes).map(([a, b]): readonly [Uint8Array, Uint8Array] => {
    const size = Math.min(a.length, b.length);
    return [a.subarray(0, size), b.subarray(0, size)];
  });
  fc.assert(
    fc.property(fc.array(pair, { minLength: 1, maxLength: 4 }), (pairs) => {
      const decoder = bitDecoder(encode(pairs));
      const model = differenceModel(decoder);
      for (const [old, wanted] of pairs) assert.deepEqual(all(model, Uint8Array.from(old)), Uint8Array.from(wanted));
      assert.ok(decoder.isAtEnd());
    }),
    { numRuns: 15 },
  );
  const large = [noise(70_000, "a"), noise(70_000, "b")] as const;
  assert.deepEqual(all(differenceModel(bitDecoder(encode([large]))), Uint8Array.from(large[0])), Uint8Array.from(large[1]));
});

test("differences of a program that moved take less than two thirds of what zstd makes of them", () => {
  const [old, wanted] = movedProgram;
  const plain = zstdPack(wanted.map((byte, i) => byte - old[i]!)).length;
  const packed = encode([[old, wanted]]).length;
  assert.ok(packed * 3 < plain * 2, `${packed} of ${plain}`);
});

test("whatever the bytes, decoding ends, or they are refused", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      try {
        all(differenceModel(bitDecoder(bytes)), noise(5000, "old").slice());
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
      }
    }),
    { numRuns: 15 },
  );
});

test("format 1 is what it always was", () => {
  assert.equal(hex(sha256.digest(encode([movedProgram]))), "e83baa02711ed2239dd3e4751735d52479951fa75a39355e6f542ebfcff2dfe8");
});
