import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  DEFAULT_RECOVERY_PLAN,
  encodeRecoveryPlan,
  MAX_RECOVERY_WAITS,
  parseRecoveryPlan,
  RECOVERY_WAIT,
} from "./recovery-plan.ts";

test("what the build writes is what the agent reads", () => {
  const wait = fc.integer({ min: RECOVERY_WAIT.min, max: RECOVERY_WAIT.max });
  fc.assert(
    fc.property(fc.array(wait, { minLength: 1, maxLength: MAX_RECOVERY_WAITS }), (afterSeconds) => {
      assert.deepEqual(parseRecoveryPlan(encodeRecoveryPlan({ afterSeconds })), { plan: { afterSeconds }, notes: [] });
    }),
  );
});

test("an image from before there was a plan has the default one, and nothing to say", () => {
  assert.deepEqual(parseRecoveryPlan(undefined), { plan: DEFAULT_RECOVERY_PLAN, notes: [] });
});

test("keys of a newer build are passed over", () => {
  assert.deepEqual(parseRecoveryPlan('{"format":1,"afterSeconds":[7],"colour":"blue"}').plan, { afterSeconds: [7] });
});

for (const [what, text] of [
  ["no JSON", "{"],
  ["an empty file", ""],
  ["null", "null"],
  ["a list", "[]"],
  ["another format", '{"format":2,"afterSeconds":[300]}'],
  ["no time at all", '{"format":1,"afterSeconds":[]}'],
  ["a time that is over at once", '{"format":1,"afterSeconds":[300,0]}'],
  ["a time that never comes", '{"format":1,"afterSeconds":[1e300]}'],
  ["a time of text", '{"format":1,"afterSeconds":["5min"]}'],
] as const) {
  test(`${what}: the default, and a note`, () => {
    const { plan, notes } = parseRecoveryPlan(text);
    assert.deepEqual([plan, notes.length], [DEFAULT_RECOVERY_PLAN, 1]);
  });
}

test("any text gives times that come", () => {
  const sound = (text: string): void => {
    const { afterSeconds } = parseRecoveryPlan(text).plan;
    assert.ok(afterSeconds.length > 0 && afterSeconds.every((seconds) => seconds >= 5 && seconds <= 86_400));
  };
  fc.assert(fc.property(fc.string({ unit: "binary" }), sound));
  const value = fc.record({ format: fc.constant(1), afterSeconds: fc.oneof(fc.array(fc.jsonValue()), fc.jsonValue()) });
  fc.assert(fc.property(value, (plan) => sound(JSON.stringify(plan))));
});
