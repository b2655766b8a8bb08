/** What the health of a boot means: pure, and the only place that decides to restart because of it. docs/concepts/health.md */
import type { HealthPlan } from "../../layout/health-plan.ts";
import type { CheckReport } from "./check.ts";

/** What runs: a slot on trial, a proven one, or what no verdict can change: recovery, a boot from memory, a record that is unreadable. */
export type HealthSubject = "trial" | "proven" | "other";

export type HealthEvent =
  /** The agent has started: first of all, and once. */
  | {
      readonly type: "started";
      /** Milliseconds since the kernel's start, here and below. */
      readonly nowMs: number;
      readonly slotState: HealthSubject;
      readonly plan: Pick<HealthPlan, "deadlineSeconds" | "onFailure">;
      /** When a proven slot was last restarted for its health, in seconds since 1970; absent when it never was. */
      readonly lastHealthRestart?: number;
    }
  /** The checks have been run. @property now seconds since 1970, here and below */
  | {
      readonly type: "report";
      readonly nowMs: number;
      readonly now: number;
      readonly report: Pick<CheckReport, "ok" | "results">;
    }
  /** There are other checks from now on, with what a failure of them asks for; the deadline of the boot stays. */
  | { readonly type: "planned"; readonly plan: Pick<HealthPlan, "onFailure"> }
  /** Time has passed: at the latest at {@link HealthState.deadlineMs}, or nobody would notice that no report came. */
  | { readonly type: "tick"; readonly nowMs: number; readonly now: number };

export type HealthAction =
  | { readonly do: "none" }
  /** The slot on trial has become proven: write it into the boot record. */
  | { readonly do: "mark-proven" }
  /** Store the reason and restart; the boot record does the rest. Repeated with every event until the machine is gone. */
  | { readonly do: "restart-trial"; readonly reason: string }
  /** These are wrong now, and no others: in place of those of the last alarm. */
  | { readonly do: "alarm"; readonly reasons: readonly string[] }
  | { readonly do: "clear-alarm" }
  /**
   * Store the time and the reason, and only then restart: without the time it would happen again and again. An alarm has come before; this is
   * repeated with every event for as long as it holds.
   */
  | { readonly do: "restart-proven"; readonly reason: string };

export interface HealthState {
  readonly subject: HealthSubject;
  readonly onFailure: HealthPlan["onFailure"];
  /** When patience with this boot ends, in milliseconds since the kernel's start. */
  readonly deadlineMs: number;
  readonly lastHealthRestart: number | undefined;
  /** Every check has passed once since the agent's start. */
  readonly wasHealthy: boolean;
  /** Reports in a row that were not ok. */
  readonly failures: number;
  /** What the last report found wrong, a sentence each; empty when all was well, absent before the first. */
  readonly wrong: readonly string[] | undefined;
  /** The alarm that is raised. */
  readonly alarm: readonly string[] | undefined;
  /** That of a trial is not taken back: it has failed, even if a check passes while the services are being stopped. */
  readonly restart: HealthAction | undefined;
}

/** An agent that starts late, or again, gets as long to look around before it judges. */
export const LATE_START_MS = 30_000;
/** A single failure is no alarm once all was well. */
const FAILURES_TO_ALARM = 2;
const FAILURES_TO_RESTART = 5;
/** Seconds between two restarts of a proven slot. */
const RESTART_INTERVAL = 24 * 3600;

const INTERVAL_MS = 60_000;
const BOOT_INTERVAL_MS = 2_000;

/** How long to wait between the end of a report and the next one, in milliseconds: short until a boot is healthy, or has failed to be. */
export const checkIntervalMs = ({ wasHealthy, deadlineMs }: HealthState, nowMs: number): number =>
  wasHealthy || nowMs >= deadlineMs ? INTERVAL_MS : BOOT_INTERVAL_MS;

export interface HealthVerdict {
  readonly state: HealthState;
  readonly action: HealthAction;
}

/** @param state `undefined` before the first event, which is `started`; that event begins anew at any time */
export function judge(state: HealthState | undefined, event: HealthEvent): HealthVerdict {
  if (event.type === "started") return { state: begin(event), action: NONE };
  if (!state) throw new Error("the first event is `started`");
  if (state.restart) return { state, action: state.restart };
  if (event.type === "planned") return { state: { ...state, onFailure: event.plan.onFailure }, action: NONE };
  return decide(event.type === "report" ? withReport(state, event.report) : state, event);
}

const NONE: HealthAction = { do: "none" };

function begin({ nowMs, slotState, plan, lastHealthRestart }: HealthEvent & { type: "started" }): HealthState {
  const { deadlineSeconds, onFailure } = plan;
  const deadlineMs = Math.max(deadlineSeconds * 1000, nowMs + LATE_START_MS);
  return {
    ...{ subject: slotState, onFailure, deadlineMs, lastHealthRestart },
    ...{ wasHealthy: false, failures: 0, wrong: undefined, alarm: undefined, restart: undefined },
  };
}

function withReport(state: HealthState, { ok, results }: Pick<CheckReport, "ok" | "results">): HealthState {
  if (ok) return { ...state, wasHealthy: true, failures: 0, wrong: [] };
  const wrong = results.flatMap(({ name, ok: passed, reason }) => (passed ? [] : [`${name}: ${reason ?? "failed"}`]));
  return { ...state, failures: state.failures + 1, wrong };
}

function decide(state: HealthState, { nowMs, now }: { readonly nowMs: number; readonly now: number }): HealthVerdict {
  const { subject, wasHealthy, failures, wrong } = state;
  const isLate = nowMs >= state.deadlineMs;
  if (failures === 0 && wrong) {
    if (subject === "trial") return { state: { ...state, subject: "proven" }, action: { do: "mark-proven" } };
    return state.alarm ? { state: { ...state, alarm: undefined }, action: { do: "clear-alarm" } } : { state, action: NONE };
  }
  if (subject === "trial") {
    if (!isLate) return { state, action: NONE };
    const restart: HealthAction = { do: "restart-trial", reason: reasonOf(state) };
    return { state: { ...state, restart }, action: restart };
  }
  if (isLate && state.alarm && mayRestart(state, now))
    return { state, action: { do: "restart-proven", reason: reasonOf(state) } };
  const isAlarm = wasHealthy ? failures >= FAILURES_TO_ALARM : isLate;
  return isAlarm ? alarming(state, wrong ?? [NO_REPORT]) : { state, action: NONE };
}

/**
 * The only way to a restart of a proven slot: the recipe asks for it, the failure lasts, and the last one was long ago.
 *
 * A clock that stands before the last restart says nothing about how long ago it was.
 */
function mayRestart({ subject, onFailure, failures, lastHealthRestart }: HealthState, now: number): boolean {
  if (subject !== "proven" || onFailure !== "reboot" || failures < FAILURES_TO_RESTART) return false;
  return lastHealthRestart === undefined || now - lastHealthRestart >= RESTART_INTERVAL;
}

function alarming(state: HealthState, reasons: readonly string[]): HealthVerdict {
  const isSame = state.alarm?.length === reasons.length && state.alarm.every((reason, index) => reason === reasons[index]);
  return isSame ? { state, action: NONE } : { state: { ...state, alarm: reasons }, action: { do: "alarm", reasons } };
}

const NO_REPORT = "no check has ended";
const MAX_REASON = 2000;

function reasonOf({ wrong, wasHealthy, deadlineMs }: HealthState): string {
  const since = wasHealthy ? "no longer healthy" : `not healthy ${Math.round(deadlineMs / 1000)} s after the kernel's start`;
  const reason = `${since}: ${wrong?.join("; ") ?? NO_REPORT}`;
  return reason.length > MAX_REASON ? `${reason.slice(0, MAX_REASON)}…` : reason;
}
