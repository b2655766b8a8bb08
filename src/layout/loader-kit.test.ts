import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AppError } from "../core/error.ts";
import { KiB, MiB } from "../core/units.ts";
import { planDisk } from "./disk.ts";
import { decodeLoaderKit, encodeLoaderKit, loaderOfDisk, loaderPlaces, nonZeroPieces, type LoaderKit } from "./loader-kit.ts";

const { bios, efi } = loaderPlaces();
const bytes = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);
const KIT: LoaderKit = {
  slotSize: 64 * MiB,
  pieces: [
    { offset: 0, data: bytes(440, 1) },
    { offset: bios.start, data: bytes(1000, 2) },
    { offset: efi.start, data: bytes(8192, 3) },
  ],
};

test("a loader kit comes back as it was put in", () => {
  assert.deepEqual(decodeLoaderKit(encodeLoaderKit(KIT)), KIT);
  const { slotSize: _, ...without } = KIT;
  assert.deepEqual(decodeLoaderKit(encodeLoaderKit(without)), without);
});

test("the loader's parts have one place on every disk", () => {
  for (const imageSize of [1, 100 * MiB, 3000 * MiB]) {
    for (const slotSize of [undefined, 8000 * MiB]) {
      const { partitions } = planDisk({ imageSize, slotSize });
      assert.deepEqual([partitions.bios, partitions.efi], [bios, efi]);
    }
  }
});

test("a kit with bytes outside of the loader's places, or in disorder, is refused: it would destroy what lies there", () => {
  const wrong: readonly (readonly [number, number])[][] = [
    [[0, 441]],
    [[440, 8]],
    [[bios.start - 1, 8]],
    [[bios.start + bios.size - 4, 8]],
    [[efi.start + efi.size, 8]],
    [
      [efi.start, 8],
      [bios.start, 8],
    ],
    [
      [bios.start, 8],
      [bios.start + 4, 8],
    ],
  ];
  for (const places of wrong) {
    const pieces = places.map(([offset, length]) => ({ offset, data: bytes(length, 1) }));
    assert.throws(() => decodeLoaderKit(encodeLoaderKit({ pieces })), { code: "LOADER_KIT_INVALID" }, JSON.stringify(places));
  }
});

test("a kit that is cut or longer than it says is refused", () => {
  const whole = encodeLoaderKit(KIT);
  for (const length of [0, 5, 30, whole.length - 1]) {
    assert.throws(() => decodeLoaderKit(whole.subarray(0, length)), { code: "LOADER_KIT_INVALID" });
  }
  assert.throws(() => decodeLoaderKit(Uint8Array.from([...whole, 0])), { code: "LOADER_KIT_INVALID" });
});

test("whatever the bytes are, there is a kit or one error", () => {
  const whole = encodeLoaderKit(KIT);
  const changed = fc
    .array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
    .map((changes) => changes.reduce((all, [at, value]) => all.with(at % 120, value), Uint8Array.from(whole)));
  const header = fc.json().map((text) => new TextEncoder().encode(`petrify-loader-kit 1\n${text}\n`));
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), changed, header), (some) => {
      try {
        const { pieces } = decodeLoaderKit(some);
        assert.ok(pieces.every(({ offset, data }) => offset >= 0 && offset + data.length <= efi.start + efi.size));
      } catch (error) {
        assert.ok(error instanceof AppError && error.code === "LOADER_KIT_INVALID", String(error));
      }
    }),
  );
});

test("blocks of zeros are left out, what lies between two of them is one piece", () => {
  const some = new Uint8Array(40 * KiB);
  some[5 * KiB] = 1;
  some[8 * KiB] = 1;
  some[39 * KiB] = 1;
  assert.deepEqual(
    nonZeroPieces(some, MiB).map(({ offset, data }) => [offset - MiB, data.length]),
    [
      [4 * KiB, 8 * KiB],
      [36 * KiB, 4 * KiB],
    ],
  );
});

test("an efi partition without a place for the tries is refused", () => {
  const disk = { efi: "00000000-0000-4000-8000-000000000000", tries: bytes(1024, 1) };
  assert.throws(() => loaderOfDisk(KIT, disk), { code: "LOADER_KIT_INVALID" });
  assert.throws(() => loaderOfDisk({ pieces: [] }, disk), { code: "LOADER_KIT_INVALID" });
});
