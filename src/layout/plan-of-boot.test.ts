import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_HEALTH_PLAN, encodeHealthPlan, type HealthPlan } from "./health-plan.ts";
import { NO_RUN_CONFIG } from "./run-config.ts";
import { planOfBoot } from "./plan-of-boot.ts";

const image = encodeHealthPlan({ ...DEFAULT_HEALTH_PLAN, deadlineSeconds: 100 });

test("a boot has the machine config's checks, else the image's", () => {
  const config = { ...NO_RUN_CONFIG, health: { ...DEFAULT_HEALTH_PLAN, deadlineSeconds: 200 } };
  assert.deepEqual(planOfBoot(config, image), { plan: config.health, notes: [] });
  assert.equal(planOfBoot(NO_RUN_CONFIG, image).plan.deadlineSeconds, 100);
  assert.equal(planOfBoot(undefined, image).plan.deadlineSeconds, 100);
});

test("what a config says that this agent does not understand is said, and is as in every image", () => {
  const health = { ...DEFAULT_HEALTH_PLAN, deadlineSeconds: "soon", checks: [{ name: "x", kind: "new" }] };
  const { plan, notes } = planOfBoot({ ...NO_RUN_CONFIG, health: health as unknown as HealthPlan }, image);
  assert.equal(plan.deadlineSeconds, DEFAULT_HEALTH_PLAN.deadlineSeconds);
  assert.equal(notes.length, 2);
});
