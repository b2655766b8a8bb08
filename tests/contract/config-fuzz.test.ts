import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzzConfigs } from "../support/config-fuzz.ts";

/** The same ones each time; scripts/fuzz-config.ts tries more. */
test("damaged machine configs are used as far as they are sound, and no secret of them is told", () => {
  const { tried, sound, partly, refused } = fuzzConfigs(
    7,
    (count) => count > 1500,
    () => performance.now(),
  );
  assert.ok(sound > 100 && partly > 100 && refused > 100, JSON.stringify({ tried, sound, partly, refused }));
});
