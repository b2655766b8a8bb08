import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AppError } from "../core/error.ts";
import { MiB } from "../core/units.ts";
import { canonicalJson } from "./canonical-json.ts";
import {
  encodeSegments,
  packedBound,
  packedSegments,
  parseSegments,
  placesInImage,
  segmentAt,
  type SegmentList,
} from "./segments.ts";

const of = (letter: string): string => letter.repeat(64);
const blob = (letter: string, size: number) => ({ digest: `sha256:${of(letter)}`, size });
/** 10 MiB less 1 MiB, in pieces of 4. */
const list: SegmentList = {
  ...{ format: 1, imageSize: 10 * MiB, segmentSize: 4 * MiB, omitted: { start: 8 * MiB, length: MiB } },
  segments: [{ sha256: of("1"), packed: blob("a", 900) }, { sha256: of("2") }, { sha256: of("3"), packed: blob("b", MiB + 5) }],
};
const parse = (value: unknown): SegmentList => parseSegments(new TextEncoder().encode(canonicalJson(value as never)), "the list");

test("a list is read back as it was written", () => {
  assert.deepEqual(parseSegments(encodeSegments(list), "the list"), list);
});

test("its bytes are these", () => {
  assert.equal(
    new TextDecoder().decode(encodeSegments({ ...list, segments: list.segments.slice(0, 2), imageSize: 9 * MiB })),
    `{"format":1,"imageSize":9437184,"omitted":{"length":1048576,"start":8388608},"segmentSize":4194304,"segments":[` +
      `{"packed":{"digest":"sha256:${of("a")}","size":900},"sha256":"${of("1")}"},{"sha256":"${of("2")}"}]}`,
  );
});

test("segments are the image without what is omitted, and the last one is shorter", () => {
  const places = list.segments.map((_, index) => segmentAt(list, index));
  assert.deepEqual(places, [
    { start: 0, length: 4 * MiB },
    { start: 4 * MiB, length: 4 * MiB },
    { start: 8 * MiB, length: MiB },
  ]);
});

test("a segment on both sides of what is omitted has two places in the image", () => {
  const split = { ...list, omitted: { start: 5 * MiB, length: MiB } };
  assert.deepEqual(
    [0, 1, 2].map((index) => placesInImage(split, index)),
    [
      [{ start: 0, length: 4 * MiB, inSegment: 0 }],
      [
        { start: 4 * MiB, length: MiB, inSegment: 0 },
        { start: 6 * MiB, length: 3 * MiB, inSegment: MiB },
      ],
      [{ start: 9 * MiB, length: MiB, inSegment: 0 }],
    ],
  );
});

test("a blob that several segments are unpacked from is one blob", () => {
  const [first, , last] = list.segments;
  assert.deepEqual(packedSegments({ segments: [first!, first!, last!] }), [blob("a", 900), blob("b", MiB + 5)]);
});

const [first, zeros, last] = list.segments;
for (const [what, value, message] of [
  ["a later format", { ...list, format: 2 }, /format/],
  ["an image that is too large to be believed", { ...list, imageSize: 2 ** 41 }, /imageSize/],
  ["a segment size that is no multiple of a block", { ...list, segmentSize: 4 * MiB + 512 }, /segmentSize/],
  ["a segment that needs too much memory", { ...list, segmentSize: 16 * MiB }, /segmentSize/],
  ["a segment of nothing", { ...list, segmentSize: 0 }, /segmentSize/],
  ["something omitted outside the image", { ...list, omitted: { start: 10 * MiB, length: MiB } }, /outside/],
  ["something omitted that is no block", { ...list, omitted: { start: 8 * MiB + 1, length: MiB } }, /omitted\.start/],
  ["a segment too few", { ...list, segments: [first, zeros] }, /has 2 segments, and the image has 3/],
  ["a segment too many", { ...list, segments: [first, zeros, zeros, last] }, /has 4 segments/],
  ["a SHA-256 that is none", { ...list, segments: [first, zeros, { ...last, sha256: "AB" }] }, /segments\.2\.sha256/],
  [
    "a digest of another algorithm",
    { ...list, segments: [first, zeros, { ...last, packed: { digest: "md5:00", size: 1 } }] },
    /segments\.2\.packed\.digest/,
  ],
  ["a blob of nothing", { ...list, segments: [first, zeros, { ...last, packed: blob("b", 0) }] }, /packed\.size/],
  [
    "a blob that no packer makes of so little",
    { ...list, segments: [first, zeros, { ...last, packed: blob("b", packedBound(MiB) + 1) }] },
    /segment 2 is larger packed/,
  ],
  [
    "one blob that would come to two segments",
    { ...list, segments: [first, { ...zeros, packed: blob("a", 900) }, last] },
    /segment 1 is unpacked from the same bytes/,
  ],
  [
    "one blob with two sizes",
    { ...list, segments: [first, { ...first, packed: blob("a", 901) }, last] },
    /segment 1 is unpacked from the same bytes/,
  ],
  [
    "one blob for segments of two lengths",
    { ...list, segments: [first, zeros, { ...first }] },
    /segment 2 is unpacked from the same bytes/,
  ],
  ["a list that is too large", { ...list, more: "x".repeat(MiB) }, /more than 1048576/],
] as const) {
  test(`${what} is refused`, () => {
    assert.throws(() => parse(value), { code: "RELEASE_INVALID", message });
  });
}

test("a list in another form is refused, even if it says the same", () => {
  const text = JSON.stringify(list);
  assert.throws(() => parseSegments(new TextEncoder().encode(text), "the list"), {
    code: "RELEASE_INVALID",
    message: /canonical/,
  });
});

test("keys that this format does not know are passed over", () => {
  assert.deepEqual(parse({ ...list, mood: { good: [1] } }), list);
});

test("whatever comes is read or refused, and what is read can be written", () => {
  const whole = encodeSegments(list);
  const values = fc.oneof(fc.nat(), fc.constantFrom(-1, 2 ** 53, 4096, null, "x", [], {}), fc.string());
  const changed = fc
    .tuple(fc.constantFrom("format", "imageSize", "segmentSize", "omitted", "segments"), values)
    .map(([key, value]) => new TextEncoder().encode(JSON.stringify({ ...list, [key]: value })));
  const flipped = fc.tuple(fc.nat(whole.length - 1), fc.nat(255)).map(([at, byte]) => {
    const bytes = whole.slice();
    bytes[at] = byte;
    return bytes;
  });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), changed, flipped), (bytes) => {
      try {
        const read = parseSegments(bytes, "the list");
        assert.deepEqual(parseSegments(encodeSegments(read), "the list"), read);
      } catch (error) {
        assert.ok(error instanceof AppError && error.code === "RELEASE_INVALID", String(error));
      }
    }),
    { numRuns: 2000 },
  );
});
