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
import { commandWriter } from "./commands.ts";
import { CODED_AT_ONCE, differenceModel, type DifferenceModel } from "./difference-model.ts";
import { movesOf, type Moves } from "./moves.ts";

function all(model: DifferenceModel, target: Uint8Array, wanted?: Uint8Array): Uint8Array {
  for (let at = 0; at < target.length; at += CODED_AT_ONCE) {
    model.code(target, at, Math.min(at + CODED_AT_ONCE, target.length), wanted);
  }
  return target;
}
interface Run {
  readonly old: Uint8Array;
  readonly wanted: Uint8Array;
  readonly from: number;
  readonly at: number;
}
const run = ([old, wanted]: readonly [Uint8Array, Uint8Array], from = 0, at = 0): Run => ({ old, wanted, from, at });
const none = movesOf(new Uint8Array(), 0);
function encode(runs: readonly Run[], moves: Moves): Uint8Array {
  const encoder = bitEncoder();
  const model = differenceModel(encoder, moves);
  for (const { old, wanted, from, at } of runs) {
    model.begin(from, at);
    all(model, Uint8Array.from(old), wanted);
  }
  return encoder.bytes();
}
function decode(packed: Uint8Array, runs: readonly Run[], moves: Moves): Uint8Array[] {
  const decoder = bitDecoder(packed);
  const model = differenceModel(decoder, moves);
  const made = runs.map(({ old, from, at }) => {
    model.begin(from, at);
    return all(model, Uint8Array.from(old));
  });
  assert.ok(decoder.isAtEnd());
  return made;
}
/** Two programs, in the later of which something was inserted: the part behind it, which moved. */
const movedProgram = ((): readonly [old: Uint8Array, wanted: Uint8Array] => {
  const [old, wanted] = (["old", "new"] as const).map(
    (version) => deltaPair(version).find(({ path }) => path.endsWith("liblarge.so.0"))!.data as Uint8Array,
  );
  const size = 80_000;
  return [old!.subarray(-size), wanted!.subarray(-size)];
})();

/** Bytes that look like distances in programs are among them. */
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.uint8Array({ maxLength: 300, max: 1 }),
  fc
    .array(fc.tuple(fc.constantFrom(0xe8, 0xe9, 0x0f, 0x84, 0x05, 0), fc.integer({ min: -300, max: 300 })), { maxLength: 60 })
    .map((parts) =>
      Buffer.concat(
        parts.map(([opcode, distance]) => Uint8Array.from([opcode, ...new Uint8Array(Int32Array.of(distance).buffer)])),
      ),
    ),
);
const places = fc.record({ from: fc.nat(1000), at: fc.oneof(fc.nat(1000), fc.nat(2 ** 40)) });
const moves = fc
  .array(fc.tuple(fc.nat(400), fc.oneof(fc.nat(1000), fc.constantFrom(2 ** 31, 2 ** 40, 2 ** 50))), { maxLength: 9 })
  .map((list) => {
    const writer = commandWriter();
    let at = 0;
    for (const [length, from] of list) {
      writer.write(at, { kind: "copy", length: length + 1, from });
      at += length + 1;
    }
    return movesOf(writer.bytes(), 0);
  });

test("what is encoded is decoded, whatever the bytes, and whatever is said of where they went", () => {
  const pair = fc.tuple(bytes, bytes, places).map(([a, b, { from, at }]): Run => {
    const size = Math.min(a.length, b.length);
    return run([a.subarray(0, size), b.subarray(0, size)], from, at);
  });
  fc.assert(
    fc.property(fc.array(pair, { minLength: 1, maxLength: 4 }), moves, (runs, known) => {
      const made = decode(encode(runs, known), runs, known);
      for (const [index, { wanted }] of runs.entries()) assert.deepEqual(made[index], Uint8Array.from(wanted));
    }),
    { numRuns: 15 },
  );
  const large = [run([noise(70_000, "a"), noise(70_000, "b")])];
  assert.deepEqual(decode(encode(large, none), large, none), [Uint8Array.from(large[0]!.wanted)]);
});

test("differences of a program that moved take less than two thirds of what zstd makes of them", () => {
  const [old, wanted] = movedProgram;
  const plain = zstdPack(wanted.map((byte, i) => byte - old[i]!)).length;
  const packed = encode([run([old, wanted])], none).length;
  assert.ok(packed * 3 < plain * 2, `${packed} of ${plain}`);
});

test("a program whose functions moved by different amounts, as its commands tell, takes a tenth of what it takes when nobody knows", () => {
  const { runs, known } = scattered();
  const [blind, seeing] = [none, known].map((one) => encode(runs, one).length);
  assert.ok(seeing! * 10 < blind!, `${seeing} of ${blind}`);
});

/** Functions of 64 bytes, each of which calls another one that nobody else calls; between them something was inserted in the later version. */
function scattered(): { readonly runs: readonly Run[]; readonly known: Moves } {
  const [count, size] = [1000, 64];
  const random = noise(count * size, "functions");
  let inserted = 0;
  const newPlaces = Array.from({ length: count }, (_, index) => {
    inserted += random[index]!;
    return index * size + inserted;
  });
  const writer = commandWriter();
  const runs = newPlaces.map((at, index): Run => {
    const from = index * size;
    const called = (index * 7 + 3) % count;
    const body = (distance: number): Uint8Array => {
      const code = Buffer.from(random.subarray(from, from + size).map((byte) => 0x90 | (byte & 7)));
      code[10] = 0xe8;
      code.writeInt32LE(distance - 15, 11);
      return code;
    };
    writer.write(at, { kind: "change", length: size, from });
    const next = newPlaces[index + 1];
    if (next !== undefined && next > at + size) writer.write(at + size, { kind: "add", length: next - at - size });
    return run([body(called * size - from), body(newPlaces[called]! - at)], from, at);
  });
  return { runs, known: movesOf(writer.bytes(), newPlaces[0]!) };
}

test("whatever the bytes, decoding ends, or they are refused", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), moves, (packed, known) => {
      try {
        const model = differenceModel(bitDecoder(packed), known);
        model.begin(0, 4096);
        all(model, noise(5000, "old").slice());
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
      }
    }),
    { numRuns: 15 },
  );
});

test("format 1 is what it always was", () => {
  const { runs, known } = scattered();
  const digest = (packed: Uint8Array): string => hex(sha256.digest(packed));
  assert.deepEqual(
    [digest(encode([run(movedProgram)], none)), digest(encode(runs, known))],
    [
      "db9e8cdf3622ad6b7b150caca10b3836f77b4e75e7b17c2c403edd4d5e2ff6bd",
      "7c3b06f08c85f0868eb659262308e03e3c337327dcb9090956b4909b8304ea0e",
    ],
  );
});
