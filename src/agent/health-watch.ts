/** Runs the health checks, and does what their verdict asks for. What it is: health/verdict.ts. */
import { targetName } from "../layout/cmdline.ts";
import { shortLine } from "../layout/short-line.ts";
import type { DataPartition } from "../layout/fstab.ts";
import { RESTARTS } from "../layout/health-plan.ts";
import { commitBoot } from "../layout/record-change.ts";
import { endBoot, markHealthy } from "./boot-history.ts";
import type { CheckReport } from "./health/check.ts";
import {
  checkIntervalMs,
  judge,
  type HealthAction,
  type HealthEvent,
  type HealthState,
  type HealthSubject,
} from "./health/verdict.ts";
import { forgetAttempts } from "./recovery.ts";
import { stateOf, type AgentStatus } from "./status.ts";
import type { World } from "./world.ts";

export interface HealthWatch {
  /** The boot's checks have all passed, and its slot is kept. */
  readonly isKept: boolean;
  readonly status: () => AgentStatus["health"];
  /** First of all, and once. */
  readonly begin: () => Promise<void>;
  /** There may be other checks than before: they are run at once. */
  readonly planned: () => Promise<void>;
  /** Checks until the signal is aborted. */
  readonly loop: (signal: AbortSignal) => Promise<void>;
  /** A check that hangs must not hold up the end of patience. */
  readonly deadline: (signal: AbortSignal) => Promise<void>;
}

/** The agent starts while the machine still does: what is asked at once has not been reached, and asking takes from what it waits for. */
const FIRST_CHECK_MS = 3_000;

export interface HealthSurroundings {
  /** Data partitions that this boot has to do without. */
  readonly unusable: () => ReadonlySet<DataPartition>;
  /** Called when the slot is proven. */
  readonly kept: () => Promise<void>;
  /** Called when the verdict may be another than before. */
  readonly judged: () => void;
  /** What a boot of a proven slot may try besides: then its health counts as that of a slot on trial. */
  readonly trial: { readonly is: () => boolean; readonly failed: (reason: string) => Promise<void> };
}

export function openHealthWatch(world: World, { unusable, kept, judged: told, trial }: HealthSurroundings): HealthWatch {
  const { ports, running, raise, clear, remember } = world;
  let health: HealthState | undefined;
  let report: CheckReport | undefined;
  /** Whoever waits for health goes on when it comes: by then what follows from it is stored. */
  let isCommitting = false;
  let lastTold: AgentStatus["health"]["is"] = "starting";
  let wake = Promise.withResolvers<void>();

  const stateNow = (): AgentStatus["health"]["is"] => {
    if (health?.restart || health?.alarm) return "unhealthy";
    return health?.wasHealthy && !isCommitting ? "healthy" : "starting";
  };
  const tellChange = (): void => {
    const state = stateNow();
    if (state === lastTold) return;
    lastTold = state;
    const failed = (report?.results ?? []).filter(({ ok }) => !ok).map(({ name, reason }) => `${name}: ${reason ?? "failed"}`);
    const reason = state === "healthy" || failed.length === 0 ? {} : { reason: shortLine(failed.join("; ")) };
    ports.log("info", `health: ${state}`, { kind: "health-changed", health: { state, ...reason } });
  };

  const judged = async (event: HealthEvent): Promise<void> => {
    const verdict = judge(health, event);
    health = verdict.state;
    await act(verdict.action);
    told();
    tellChange();
  };

  const commit = async (): Promise<void> => {
    await world.changeRecord((found) => commitBoot(running, found));
    clear("RECORD_UNREADABLE");
    const failedUnits = await ports.failedUnits().catch(() => world.state.failedUnits);
    await remember((old) => ({ ...markHealthy(old), failedUnits }));
    ports.log("info", `${targetName(running)} is healthy`, {
      kind: "slot-proven",
      slot: { name: running, version: ports.facts.image?.version ?? "" },
    });
    await kept();
  };

  const act = async (action: HealthAction): Promise<void> => {
    switch (action.do) {
      case "none":
        break;
      case "mark-proven":
        isCommitting = true;
        await commit().finally(() => (isCommitting = false));
        break;
      case "alarm":
        raise("UNHEALTHY", `this machine is not healthy: ${action.reasons.join("; ")}`);
        break;
      case "clear-alarm":
        clear("UNHEALTHY");
        break;
      case "restart-trial":
      case "restart-proven":
        ports.log("alarm", `${targetName(running)}${RESTARTS}${action.reason}`, {
          kind: "boot-failed",
          boot: { slot: running, version: ports.facts.image?.version ?? "", ending: "unhealthy", reason: action.reason },
        });
        await remember((old) => ({
          ...endBoot(old, { how: "unhealthy", reason: action.reason }),
          ...(action.do === "restart-proven" ? { lastHealthRestart: Math.floor(ports.now()) } : {}),
        }));
        if (action.do === "restart-trial") await trial.failed(action.reason);
        await ports.init.restart(action.reason);
        break;
    }
  };

  return {
    get isKept() {
      return health?.wasHealthy === true && stateOf(running, world.record) === "proven";
    },
    status: () => {
      const checks = (report?.results ?? []).map(({ name, ok, reason }) => ({ name, ok, ...(reason ? { reason } : {}) }));
      const is = stateNow();
      return { is, checks, ...(is === "starting" && health ? { deadline: Math.round(health.deadlineMs / 1000) } : {}) };
    },
    begin: async () => {
      const { lastHealthRestart } = world.state;
      const own = subjectOf(stateOf(running, world.record));
      const slotState = own === "proven" && trial.is() ? "trial" : own;
      const before = lastHealthRestart === undefined ? {} : { lastHealthRestart };
      await judged({ type: "started", nowMs: ports.uptime(), slotState, plan: ports.machineConfig.now().plan, ...before });
    },
    planned: async () => {
      await judged({ type: "planned", plan: ports.machineConfig.now().plan });
      wake.resolve();
    },
    loop: async (signal) => {
      await ports.wait(FIRST_CHECK_MS, signal);
      for (;;) {
        wake = Promise.withResolvers();
        report = await ports.check(world.state, unusable(), signal);
        signal.throwIfAborted();
        await judged({ type: "report", nowMs: ports.uptime(), now: ports.now(), report });
        if (report.ok && isSlot(running) && world.state.recovery) await remember(forgetAttempts);
        // Nobody knows what was proven, but this is: the record is made anew.
        if (report.ok && isSlot(running) && world.record.found.is === "unreadable") await commit();
        await Promise.race([ports.wait(checkIntervalMs(health!, ports.uptime()), signal), wake.promise]);
      }
    },
    deadline: async (signal) => {
      await ports.wait(Math.max(0, health!.deadlineMs - ports.uptime()), signal);
      await judged({ type: "tick", nowMs: ports.uptime(), now: ports.now() });
    },
  };
}

const isSlot = (running: World["running"]): boolean => running === "a" || running === "b";

/** What health can mean for what runs. */
const subjectOf = (state: AgentStatus["state"]): HealthSubject => (state === "trial" || state === "proven" ? state : "other");
