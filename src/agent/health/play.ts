/** Boots of the verdict's tests, in short. */
import type { CheckReport } from "./check.ts";
import { judge, type HealthAction, type HealthEvent, type HealthState } from "./verdict.ts";

/** When, in seconds since the kernel's start, and what the report says: `+` all is well, `.` only time passes, else the check that fails. */
export type Step = readonly [at: number, says: string];
export type Started = Partial<HealthEvent & { type: "started" }>;

/** Seconds. */
export const DAY = 86_400;
/** The time at the kernel's start. */
export const BOOTED = 1_800_000_000;

const report = (says: string): Pick<CheckReport, "ok" | "results"> => {
  const bad = says === "+" ? [] : says.split(" ");
  return {
    ok: bad.length === 0,
    results: [{ name: "boot", ok: true, ms: 1 }, ...bad.map((name) => ({ name, ok: false, reason: "is failed", ms: 1 }))],
  };
};
/** The event at a step. */
export const eventOf = ([at, says]: Step): HealthEvent => {
  const time = { nowMs: at * 1000, now: BOOTED + at };
  return says === "." ? { type: "tick", ...time } : { type: "report", ...time, report: report(says) };
};

/** Lets a boot happen: on a proven slot, with 100 s to the deadline, the agent starting 10 s after the kernel, unless it is said otherwise. */
export function play(started: Started, steps: readonly Step[]): { actions: HealthAction[]; state: HealthState } {
  const plan = { deadlineSeconds: 100, onFailure: "alarm", ...started.plan } as const;
  let { state } = judge(undefined, { type: "started", nowMs: 10_000, slotState: "proven", ...started, plan });
  const actions = steps.map((step) => {
    const verdict = judge(state, eventOf(step));
    state = verdict.state;
    return verdict.action;
  });
  return { actions, state };
}
export const REBOOT = { deadlineSeconds: 100, onFailure: "reboot" } as const;
