import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_RECOVERY_PLAN, type RecoveryPlan } from "../layout/recovery-plan.ts";
import { parseRecipe } from "./parse-recipe.ts";
import { recoveryPlan } from "./recovery.ts";

const planOf = (recovery: string): RecoveryPlan =>
  recoveryPlan(parseRecipe(`apiVersion: petrify/v1\nname: x\nbase: { suite: trixie }\n${recovery}`, "r.yaml").recovery);

test("recovery waits 5 minutes, then 30, then 6 hours each time, unless the recipe says something else", () => {
  assert.deepEqual(planOf(""), DEFAULT_RECOVERY_PLAN);
  assert.deepEqual(DEFAULT_RECOVERY_PLAN.afterSeconds, [300, 1800, 21_600]);
  assert.deepEqual(planOf("recovery: { after: [10s, 2h] }"), { afterSeconds: [10, 7200] });
});

for (const [after, message] of [
  ["[]", /recovery\.after: must name at least one time/],
  ["[1s]", /recovery\.after\[0\]: must be 5s … 24h/],
  ["[5min, soon]", /recovery\.after\[1\]: must be a whole number and a unit/],
] as const) {
  test(`${after} is refused`, () => assert.throws(() => planOf(`recovery: { after: ${after} }`), { message }));
}
