import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { downloadedText } from "../layout/downloaded-text.ts";
import { chooseWay, isWorthReading, wayText, type WayInput } from "./choose-way.ts";

const segment = (name: string, size: number) => ({ sha256: name, packed: { digest: `sha256:${name}`, size } });
const list = { segments: [segment("a", 100), { sha256: "zero" }, segment("b", 200), segment("b", 200), segment("c", 300)] };
const FULL = 600;
const question = { list, done: 0, shared: undefined, deltas: [], running: "old" };
type Question = WayInput<{ readonly from: string; readonly size: number }>;

const TABLE: readonly [name: string, more: Partial<Question>, by: string, bytes: number][] = [
  ["nothing but the segments: all of them, each blob once", {}, "segments", FULL],
  ["a delta from what runs", { deltas: [{ from: "old", size: 50 }] }, "delta", 50],
  ["the smaller one of two", { deltas: [70, 60].map((size) => ({ from: "old", size })) }, "delta", 60],
  ["a delta from another image is none", { deltas: [{ from: "older", size: 1 }] }, "segments", FULL],
  ["a delta, and nobody knows what runs", { deltas: [{ from: "old", size: 1 }], running: undefined }, "segments", FULL],
  ["a delta that is as large as the image is not taken", { deltas: [{ from: "old", size: FULL }] }, "segments", FULL],
  ["segments that the machine has are not fetched", { shared: new Set(["b", "zero"]) }, "segments", 400],
  [
    "with enough of them, no delta either",
    { shared: new Set(["b", "c"]), deltas: [{ from: "old", size: 101 }] },
    "segments",
    100,
  ],
  ["what is in its place already does not count", { done: 3 }, "segments", 500],
  ["near the end, the rest is less than the delta", { done: 4, deltas: [{ from: "old", size: 350 }] }, "segments", 300],
  ["all of it is there", { done: 5, deltas: [{ from: "old", size: 1 }] }, "segments", 0],
];

suite("of the ways to an image the one with the fewest bytes is taken", () => {
  for (const [name, more, by, bytes] of TABLE) {
    test(name, () => {
      const way = chooseWay({ ...question, ...more });
      assert.deepEqual([way.by, way.bytes, way.full], [by, bytes, FULL]);
      assert.ok(way.bytes <= way.full, "never more than the whole image");
    });
  }

  test("and is said in a few words", () => {
    const big = { segments: [segment("a", 331_000_000), segment("b", 20_000_000)] };
    const ways = [
      chooseWay({ ...question, list: big, deltas: [{ from: "old", size: 270_000 }] }),
      chooseWay({ ...question, list: big }),
      chooseWay({ ...question, list: big, shared: new Set(["a"]) }),
      chooseWay({ ...question, list: big, done: 2 }),
    ];
    assert.deepEqual(ways.map(wayText), [
      "a delta from the running image: 0.27 MB of 351 MB",
      "the whole image: 351 MB of 351 MB",
      "segments that are not here yet: 20.0 MB of 351 MB",
      "nothing to download: everything is here already",
    ]);
    assert.deepEqual(ways.map(isWorthReading), [false, true, true, false]);
    assert.equal(downloadedText(274_400, 331_000_000), "downloaded 0.27 MB of 331 MB");
  });
});
