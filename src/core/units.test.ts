import assert from "node:assert/strict";
import { test } from "node:test";
import { formatDuration, parseDuration } from "./units.ts";

for (const [text, seconds] of [
  ["30s", 30],
  ["90s", 90],
  ["5min", 300],
  ["24h", 86_400],
  ["0s", undefined],
  ["05s", undefined],
  ["5", undefined],
  ["5m", undefined],
  ["1.5h", undefined],
  ["-5s", undefined],
  ["5 min", undefined],
  ["9999999999h", undefined],
  ["", undefined],
] as const) {
  test(`${JSON.stringify(text)} is ${seconds === undefined ? "no time" : `${seconds} seconds`}`, () => {
    assert.equal(parseDuration(text), seconds);
  });
}

for (const [seconds, text] of [
  [1, "1s"],
  [90, "90s"],
  [300, "5min"],
  [86_400, "24h"],
  [0, "0s"],
] as const) {
  test(`${seconds} seconds are ${text}`, () => assert.equal(formatDuration(seconds), text));
}
