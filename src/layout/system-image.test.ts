import assert from "node:assert/strict";
import { test } from "node:test";
import { MiB } from "../core/units.ts";
import { decodeGpt, encodeGpt } from "./gpt.ts";
import { planSystemImage, systemImageParts } from "./system-image.ts";

const rootHash = "0123456789abcdef0123456789abcdeffedcba9876543210fedcba9876543210";
const guids = { disk: "11111111-2222-4333-8444-555555555555", boot: "66666666-2222-4333-8444-555555555555" };
const image = planSystemImage({ boot: 3 * MiB, root: 5 * MiB + 4096, verity: 40_960 }, rootHash, guids);

test("root and hash tree carry the two halves of the root hash as GUIDs", () => {
  const { root, verity } = systemImageParts(image, rootHash);
  assert.equal(root.guid, "01234567-89ab-cdef-0123-456789abcdef");
  assert.equal(verity.guid, "fedcba98-7654-3210-fedc-ba9876543210");
});
test("parts start at whole MiB and end with their last 4 KiB block, with one MiB for the table at each end", () => {
  assert.deepEqual(
    image.partitions.map(({ name, start, size }) => [name, start / MiB, size]),
    [
      ["boot", 1, 3 * MiB],
      ["root", 4, 5 * MiB + 4096],
      ["root-verity", 10, 40_960],
    ],
  );
  assert.equal(image.size, 12 * MiB);
});
test("an image's table survives encoding", () => {
  const bytes = new Uint8Array(image.size);
  for (const { offset, data } of encodeGpt(image, 512)) bytes.set(data, offset);
  assert.deepEqual(
    decodeGpt((offset, length) => bytes.subarray(offset, offset + length), image.size, 512),
    image,
  );
});
const other = rootHash.replace("0123", "0124");
const refused: readonly [why: string, gpt: typeof image, hash: string | undefined, message: RegExp][] = [
  [
    "without a root",
    { ...image, partitions: image.partitions.filter(({ name }) => name !== "root") },
    undefined,
    /no root partition/,
  ],
  [
    "with two roots",
    { ...image, partitions: [...image.partitions, image.partitions[1]!] },
    undefined,
    /more than one root partition/,
  ],
  ["of another root hash", image, other, /root partition is not the one/],
  ["with another hash tree", image, rootHash.replace(/0$/, "1"), /hash tree is not the one/],
];
for (const [why, gpt, hash, message] of refused) {
  test(`an image ${why} is refused`, () => {
    assert.throws(() => systemImageParts(gpt, hash), { code: "SYSTEM_IMAGE_INVALID", message });
  });
}
