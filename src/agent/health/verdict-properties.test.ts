import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BOOTED, DAY, eventOf, play, REBOOT, type Started, type Step } from "./play.ts";
import { judge, LATE_START_MS, type HealthAction, type HealthEvent } from "./verdict.ts";

const steps = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 5000 }), fc.constantFrom("+", ".", "web", "web", "web", "web db", "db")), {
    maxLength: 60,
  })
  .map((list): Step[] => {
    let at = 10;
    return list.map(([wait, says]) => [(at += wait), says]);
  });
const plan = fc.record(
  { deadlineSeconds: fc.integer({ min: 5, max: 4000 }), onFailure: fc.constantFrom("alarm" as const, "reboot" as const) },
  { noNullPrototype: true },
);
const last = fc.option(fc.integer({ min: BOOTED - 2 * DAY, max: BOOTED + 2 * DAY }), { nil: undefined });
const started = (slotState: Started["slotState"] & string, found: typeof REBOOT | Started["plan"], at?: number): Started => ({
  ...{ slotState, ...(found && { plan: found }), ...(at === undefined ? {} : { lastHealthRestart: at }) },
});
const dos = (actions: readonly HealthAction[]): Set<string> => new Set(actions.map((action) => action.do));
const RUNS = { numRuns: 2000 };

test("a proven slot whose recipe wants alarms is never restarted", () => {
  fc.assert(
    fc.property(steps, plan, last, (list, found, at) => {
      const seen = dos(play(started("proven", { ...found, onFailure: "alarm" }, at), list).actions);
      assert.ok(!seen.has("restart-proven") && !seen.has("restart-trial"));
    }),
    RUNS,
  );
});

test("a slot that was proven in this boot and whose recipe wants alarms is never restarted from then on", () => {
  fc.assert(
    fc.property(steps, plan, (list, found) => {
      const { actions } = play(started("trial", { ...found, onFailure: "alarm" }), [[10, "+"], ...list]);
      assert.ok(!dos(actions).has("restart-trial") && !dos(actions).has("restart-proven"));
    }),
    RUNS,
  );
});

test("what is neither on trial nor proven is never restarted and never proven", () => {
  fc.assert(
    fc.property(steps, plan, last, (list, found, at) => {
      for (const seen of dos(play(started("other", found, at), list).actions)) assert.match(seen, /^(none|alarm|clear-alarm)$/);
    }),
    RUNS,
  );
});

test("a slot on trial is proven only by a report that is well, restarted only after the deadline, and one of both by then", () => {
  fc.assert(
    fc.property(steps, plan, (list, found) => {
      const { actions } = play(started("trial", { ...found, onFailure: "alarm" }), list);
      const end = Math.max(found.deadlineSeconds, 10 + LATE_START_MS / 1000);
      for (const [index, action] of actions.entries()) {
        if (action.do === "mark-proven") assert.equal(list[index]![1], "+");
        if (action.do === "restart-trial") assert.ok(list.some(([at], before) => before <= index && at >= end));
      }
      const decided = dos(actions).has("mark-proven") !== dos(actions).has("restart-trial");
      assert.equal(
        decided,
        list.some(([at, says]) => at >= end || says === "+"),
      );
    }),
    RUNS,
  );
});

test("a proven slot is restarted at most once in a day, over any number of boots", () => {
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 8 }), last, (boots, before) => {
      let at = before;
      let booted = 0;
      const restarts: number[] = before === undefined ? [] : [before];
      for (const boot of boots) {
        let { state } = judge(undefined, {
          type: "started",
          nowMs: 10_000,
          ...started("proven", REBOOT, at),
          slotState: "proven",
          plan: REBOOT,
        });
        for (const step of boot) {
          const verdict = judge(state, { ...eventOf(step), now: BOOTED + booted + step[0] } as HealthEvent);
          state = verdict.state;
          if (verdict.action.do !== "restart-proven") continue;
          at = BOOTED + booted + step[0];
          restarts.push(at);
          break;
        }
        booted += (boot.at(-1)?.[0] ?? 0) + 60;
      }
      for (const [index, time] of restarts.entries()) if (index > 0) assert.ok(time - restarts[index - 1]! >= DAY);
    }),
    { numRuns: 1000 },
  );
});
