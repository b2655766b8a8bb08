import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { OWN } from "./fake-recovery.ts";
import { afterFailure, resetPlan, resetSteps, resetStepText } from "./reset.ts";

suite("the steps of a reset", () => {
  const record = { found: { is: "unreadable", why: "" }, tries: undefined } as const;
  test("begin with what can still be refused, and wipe nothing before the slots are closed", () => {
    for (const keep of [[], ["data"], ["config"], ["identity"], ["config", "identity", "data"]] as const) {
      for (const erase of [true, false]) {
        const names = resetSteps({ kind: "reset", at: "ordered", keep, erase, after: "reboot" }, record).map((step) => step.do);
        assert.deepEqual(names.slice(0, 2), ["check", "close-slots"]);
        assert.deepEqual(names.slice(-4), ["note-written", "open-slots", "end", "leave"]);
      }
    }
  });

  test("that fail are done again, those of the slots from their file system on", () => {
    const steps = resetSteps({ kind: "reset", at: "ordered", keep: [], erase: false, after: "reboot" }, record);
    for (const [index, step] of steps.entries()) {
      const again = steps[afterFailure(steps, index)]!;
      assert.equal(again.do, step.do === "write" || step.do === "verify" ? "prepare-store" : step.do);
      assert.ok(resetStepText(step).length > 5);
    }
  });

  test("are told before, with what goes, what stays, and how long it takes", () => {
    const facts = {
      ...{ machine: { id: "00", hostname: "edge-7" }, image: OWN },
      used: { oem: { used: 1_000_000, size: 100_000_000 }, persistent: undefined },
    };
    const plan = resetPlan({ keep: ["data"], erase: true, after: "poweroff" }, facts);
    assert.deepEqual(
      plan.wipes.map(({ what }) => what),
      ["config", "identity", "history"],
    );
    assert.deepEqual(
      plan.keeps.map(({ what }) => what),
      ["data"],
    );
    assert.equal(plan.bytes, 5 * OWN.size + 100_000_000);
    assert.equal(plan.seconds, 60 + Math.ceil(plan.bytes / 50_000_000));
    assert.deepEqual(
      [plan.steps[0], plan.steps.at(-1)],
      ["verifying recovery, and restarting into it", "switching the machine off"],
    );
    assert.ok(plan.steps.includes("overwriting the oem partition"));
  });
});
