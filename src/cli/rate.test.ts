import assert from "node:assert/strict";
import { test } from "node:test";
import { GiB, MiB } from "../core/units.ts";
import { rateMeter, rateText } from "./rate.ts";

test("speed and time left are those of the phase", () => {
  let now = 5000;
  const rate = rateMeter(() => now);
  assert.equal(rateText(rate(0, GiB)), "0 %");
  now += 2000;
  assert.deepEqual(rate(64 * MiB, GiB), { done: 64 * MiB, total: GiB, bytesPerSecond: 32 * MiB, secondsLeft: 30 });
  assert.equal(rateText(rate(64 * MiB, GiB)), "6 %, 32 MiB/s, 30 s left");
  now += 10_000;
  assert.equal(rateText(rate(96 * MiB, GiB)), "9 %, 8 MiB/s, 1 min 56 s left");
  assert.equal(rateText(rate(GiB, GiB)), "100 %, 85.3 MiB/s, 0 s left");
});
