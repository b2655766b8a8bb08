import assert from "node:assert/strict";
import { test } from "node:test";
import { parseExpiry } from "./expiry.ts";

const NOW = 1_900_000_000;

for (const [text, seconds] of [
  ["36h", NOW + 36 * 3600],
  ["90d", NOW + 90 * 86_400],
  ["12w", NOW + 12 * 7 * 86_400],
  ["2031-01-31", Date.UTC(2031, 0, 31) / 1000],
  ["2031-01-31T12:30:00Z", Date.UTC(2031, 0, 31, 12, 30) / 1000],
] as const) {
  test(`a release that expires ${text} does so at ${seconds}`, () => assert.equal(parseExpiry(text)(NOW), seconds));
}

for (const text of ["", "90", "0d", "-1d", "90 d", "1y", "soon", "2031-04-31", "2031-13-01", "31.01.2031", "2031-01-31T12:00"]) {
  test(`"${text}" is no time at which a release expires`, () => assert.throws(() => parseExpiry(text), { code: "USAGE" }));
}
