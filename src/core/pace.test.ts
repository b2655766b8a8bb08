import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { openPace, type Pace } from "./pace.ts";

/** A second is a number. */
function virtual(bytes: number): { readonly pace: Pace; readonly at: () => number; readonly pass: (ms: number) => void } {
  let time = 0;
  const sleep = async (ms: number, signal?: AbortSignal): Promise<void> => {
    const until = time + ms;
    await Promise.resolve();
    signal?.throwIfAborted();
    time = Math.max(time, until);
  };
  return { pace: openPace({ bytes, now: () => time, sleep }), at: () => time, pass: (ms) => void (time += ms) };
}

test("what comes takes as long as it may be fast, but for a quarter of a second's worth at the beginning", async () => {
  const { pace, at } = virtual(1000);
  await pace(250);
  assert.equal(at(), 0);
  for (let piece = 0; piece < 10; piece++) await pace(100);
  assert.equal(at(), 1000);
});

test("time in which nothing came is not made up for", async () => {
  const { pace, at, pass } = virtual(1000);
  await pace(1000);
  pass(60_000);
  const before = at();
  await pace(1000);
  assert.equal(at() - before, 750);
});

test("a piece of more bytes than the bucket holds waits longer, and no more than its own time", async () => {
  const { pace, at } = virtual(1000);
  await pace(5000);
  assert.equal(at(), 4750);
});

test("however many pull at once, all of them together are no faster", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.integer({ min: 1, max: 100_000 }), { maxLength: 20 }), { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 100, max: 1_000_000 }),
      async (lines, perSecond) => {
        const { pace, at } = virtual(perSecond);
        await Promise.all(
          lines.map(async (pieces) => {
            for (const piece of pieces) await pace(piece);
          }),
        );
        const bytes = lines.flat().reduce((sum, piece) => sum + piece, 0);
        const least = (1000 * bytes) / perSecond - 250;
        assert.ok(at() >= least - 1e-3, `${bytes} bytes in ${at()} ms`);
        assert.ok(at() <= Math.max(0, least) + 1e-3, "and no slower");
      },
    ),
  );
});

test("whoever waits and is not wanted any more stops waiting", async () => {
  const { pace } = virtual(10);
  const stop = new AbortController();
  stop.abort(new Error("enough"));
  await assert.rejects(pace(1000, stop.signal), /enough/);
});
