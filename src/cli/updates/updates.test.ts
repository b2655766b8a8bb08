import assert from "node:assert/strict";
import { test } from "node:test";
import { runOnNode } from "../node-testing.ts";
import { planText, statusText } from "./updates-text.ts";

const RELEASE = { image: "cc", version: "1.5.0", created: 1_795_166_000, security: true, reference: "r@sha256:0" };

test("a status says what was found, what comes next, and everything that holds it back", () => {
  const text = statusText({
    config: { source: "registry.example/edge", channel: { versions: "^1.4" }, mode: "apply" },
    state: {
      ...{ chance: 0, lookedAt: 1_795_398_000, release: RELEASE, took: 125, lock: "unsure" },
      lookFailure: { count: 2, at: 1, reason: "the line is down" },
      paused: { at: 1, by: "ops", until: 1_795_500_000, reason: "fair" },
      left: [
        { operation: "0", image: "bb", version: "1.4.9", created: 1, at: 1_795_000_000, reason: "web: refused", again: true },
      ],
    },
    next: { step: "nothing", because: "lock", why: "1.5.0: the lock backup ends in 10 min", again: 5 },
    locks: [{ name: "backup", left: 600, reason: "nightly" }],
  });
  assert.deepEqual(text.split("\n"), [
    "source    registry.example/edge, versions ^1.4",
    "mode      apply",
    "looked    2026-11-23 01:40:00 UTC",
    "failed    2 times: the line is down",
    "found     1.5.0, a security release, made 2026-11-20 09:13:20 UTC",
    "next      lock: 1.5.0: the lock backup ends in 10 min",
    "paused    by ops, until 2026-11-24 06:00:00 UTC: fair",
    "lock      backup, for 10 min at the most: nightly",
    "fleet     whether its lock is held is not known yet",
    "left      1.4.9, on 2026-11-18 11:06:40 UTC, and is to be tried again: web: refused",
    "took      2 min, the last time",
  ]);
});

test("of a machine whose config says nothing of updates, that is all", () => {
  assert.match(statusText({ state: { chance: 0, left: [] }, locks: [] }), /says nothing of updates/);
});

test("a plan is a line for each date, in UTC", () => {
  const text = planText({
    ...{ now: 0, step: "nothing", because: "window", why: "1.5.0: the next window opens", earliest: 1_795_398_000 },
    dates: [
      { at: 1_795_397_000, what: "look" },
      { at: 1_795_398_000, what: "window", until: 1_795_408_800 },
      { at: 1_795_500_000, what: "window is too short", until: 1_795_500_600 },
    ],
  });
  assert.deepEqual(text.split("\n"), [
    "now       window: 1.5.0: the next window opens",
    "restart   2026-11-23 01:40:00 UTC at the earliest",
    "2026-11-23 01:23:20 UTC  the source is looked at",
    "2026-11-23 01:40:00 UTC  a window opens, for 3 h",
    "2026-11-24 06:00:00 UTC  a window opens, too short for an update as long as the last one, for 10 min",
  ]);
});

test("petrify updates pause --for 10m is refused with the way in which times are written", async () => {
  const { exitCode, err } = await runOnNode("/", ["updates", "pause", "--for", "10m"]);
  assert.equal(exitCode, 2);
  assert.match(err, /--for 10m: must be a whole number and a unit: 30min, 12h/);
});
