/** The one loop that keeps a machine current: it asks decide.ts what comes next, does it, and stores what came of it. docs/concepts/updates.md */
import { AppError } from "../../core/error.ts";
import type { Seconds } from "../../core/units.ts";
import { untilAborted } from "../../host/wait.ts";
import type { UpdatesConfig } from "../../config/updates/updates-config.ts";
import type { UpdatesState } from "../../layout/updates-state.ts";
import { decide, lookKey, type UpdateBecause, type UpdateDecision, type UpdateFacts, type UpdateStep } from "./decide.ts";
import { next, type UpdateEvent } from "./next.ts";
import { planOf, type UpdatePlan } from "./plan.ts";
import type { UpdateNews, UpdatePorts } from "./ports.ts";

/** How a machine keeps itself current, now. */
export interface UpdatesStatus {
  /** Absent where the config says nothing of updates. */
  readonly config?: Pick<UpdatesConfig, "source" | "channel" | "mode">;
  readonly state: UpdatesState;
  readonly next?: {
    readonly step: UpdateStep["do"];
    readonly because: UpdateBecause;
    readonly why: string;
    readonly again?: Seconds;
  };
  /** What keeps it from restarting. */
  readonly locks: UpdateFacts["locks"];
}
/** The same in short, as the loop has found it last. */
export interface UpdatesSummary extends Pick<UpdatesState, "release" | "lookedAt" | "took" | "lock"> {
  readonly step: UpdateStep["do"];
  /** Why nothing is done. */
  readonly because?: UpdateBecause;
  /** One sentence; absent before anything was decided. */
  readonly why?: string;
  /** One after the other, of looking and of the release. */
  readonly lookFailures: number;
  readonly failures: number;
  /** Releases that fell back here. */
  readonly left: number;
  readonly isPaused: boolean;
}
export interface PauseRequest {
  /** How long; default: until somebody resumes. */
  readonly seconds?: Seconds;
  readonly reason?: string;
}

export interface Updates {
  readonly status: () => Promise<UpdatesStatus>;
  readonly summary: () => UpdatesSummary;
  /** @throws AppError `NO_UPDATES` */
  readonly plan: () => Promise<UpdatePlan>;
  /** Looks now. @throws AppError `NO_UPDATES`; what looking throws */
  readonly check: (signal: AbortSignal) => Promise<UpdatesStatus>;
  /** What was found is applied whatever its time. @throws AppError `NO_UPDATES`, `NO_RELEASE` */
  readonly apply: (signal: AbortSignal) => Promise<UpdatesStatus>;
  readonly pause: (request: PauseRequest, by: string) => Promise<UpdatesStatus>;
  readonly resume: () => Promise<UpdatesStatus>;
  /** The config may be another one. */
  readonly wake: () => void;
  /** Works until the signal is aborted. */
  readonly loop: (signal: AbortSignal) => Promise<void>;
}

/** Clocks are set, and lines are plugged in: so often is looked at least. */
const LONGEST_MS = 300_000;
/** What could not be stored, or looked at. */
const TROUBLE_MS = 60_000;

export function openUpdates(ports: UpdatePorts): Updates {
  let state = ports.store.found;
  let wake = Promise.withResolvers<void>();
  let doing: Pick<UpdatesSummary, "step" | "because" | "why"> = { step: "nothing" };
  let said: UpdateBecause | undefined;

  /** Stored before anything follows from it. */
  const hear = async (event: UpdateEvent): Promise<void> => {
    const after = next(state, event, Math.floor(ports.now()));
    if (JSON.stringify(after) === JSON.stringify(state)) return;
    await ports.store.store(after);
    state = after;
  };
  const wakeUp = (): void => {
    const { resolve } = wake;
    wake = Promise.withResolvers();
    resolve();
  };
  const situation = async (config: UpdatesConfig) => ({
    ...{ config, state, facts: await ports.facts(state.release), now: Math.floor(ports.now()) },
  });
  const needed = (): UpdatesConfig => {
    const config = ports.config();
    if (config?.source !== undefined) return config;
    throw new AppError("NO_UPDATES", "the machine config names no source of updates", {
      hint: "Say where releases come from: `updates: { source: … }`, docs/concepts/updates.md.",
    });
  };
  /** What it is at, where it is at something: that is no other operation which it waits for. */
  const underWay = (): Required<typeof doing> | undefined =>
    doing.step === "nothing" ? undefined : { because: "due", why: "", ...doing };
  const status = async (): Promise<UpdatesStatus> => {
    const config = ports.config();
    if (!config) return { state, locks: (await ports.facts(undefined)).locks };
    const now = await situation(config);
    const {
      step: { do: step },
      ...rest
    } = decide(now);
    const { source, channel, mode } = config;
    return {
      config: { channel, mode, ...(source !== undefined && { source }) },
      ...{ state, next: underWay() ?? { step, ...rest }, locks: now.facts.locks },
    };
  };

  const look = async (config: UpdatesConfig, signal: AbortSignal): Promise<void> => {
    const chance = ports.random();
    try {
      await hear({ is: "looked", at: lookKey(config), release: await ports.look(config, state.left, signal), chance });
    } catch (error) {
      signal.throwIfAborted();
      await hear({ is: "look failed", at: lookKey(config), reason: (error as Error).message, chance });
      throw error;
    }
  };

  const perform = async (step: UpdateStep, config: UpdatesConfig, signal: AbortSignal): Promise<void> => {
    switch (step.do) {
      case "look":
        return await look(config, signal);
      case "download":
        await ports.download(step.release, signal);
        return await hear({ is: "downloaded", image: step.release.image });
      case "take-lock":
        await ports.lock.take(config, signal);
        return await hear({ is: "lock taken" });
      case "give-lock-back":
        await ports.lock.giveBack(config, signal);
        return await hear({ is: "lock given back" });
      case "stage":
        await hear({ is: "staging", image: step.release.image, uptime: ports.uptime() });
        await ports.stage(step.release, signal);
        return await hear({ is: "staged", uptime: ports.uptime() });
      case "restart":
        await ports.restart(step.release);
        // It is about to end.
        return await ports.wait(TROUBLE_MS, signal);
      case "nothing":
        return;
    }
  };
  const failed = (step: UpdateStep, reason: string): UpdateEvent | undefined => {
    if (step.do === "take-lock") return { is: "lock refused", reason };
    if (step.do === "give-lock-back") return { is: "lock not given back", reason };
    return "release" in step ? { is: "failed", image: step.release.image, reason } : undefined;
  };
  const attempt = async ({ step, why }: UpdateDecision, config: UpdatesConfig, signal: AbortSignal): Promise<void> => {
    const { image: known } = state.release ?? {};
    /** @param line of the log */
    const tell = async (
      event: UpdateNews["event"],
      about: string,
      line: string,
      level: "info" | "alarm" = "info",
    ): Promise<void> => {
      const { version, security } = ("release" in step ? step.release : state.release) ?? {};
      const facts = { step: step.do, ...(version !== undefined && { version }) };
      ports.log(level, `updates: ${line}`, { kind: `update-${event}`, update: { ...facts, reason: about } });
      await ports.tell(config, { event, ...facts, why: about, ...(security !== undefined && { security }) }, signal);
    };
    doing = { step: step.do, why };
    if (step.do === "look") ports.log("info", `updates: look: ${why}`);
    // On every console: somebody may be at work there.
    else await tell("began", why, `${step.do}: ${why}`, step.do === "restart" ? "alarm" : "info");
    try {
      await perform(step, config, signal);
      if (step.do !== "look") await tell("done", why, `${step.do}: done`);
      else if (state.release && state.release.image !== known) {
        const found = `the source has ${state.release.version}`;
        await tell("found", found, found);
      }
    } catch (error) {
      signal.throwIfAborted();
      const reason = (error as Error).message;
      const event = failed(step, reason);
      if (event) await hear(event);
      await tell("failed", reason, `${step.do} has failed: ${reason}`);
    }
  };

  /** @returns milliseconds until it is asked again */
  const turn = async (signal: AbortSignal): Promise<number> => {
    const config = ports.config();
    if (!config) return LONGEST_MS;
    const now = await situation(config);
    const { running, uptime } = now.facts;
    if (running.is === "proven" && state.began?.image === running.image)
      await hear({ is: "healthy", image: running.image, uptime });
    const decision = decide({ ...now, state });
    if (decision.step.do !== "nothing") {
      await attempt(decision, config, signal);
      return 0;
    }
    const { because, why } = decision;
    if (because !== said) {
      const { version } = state.release ?? {};
      const facts = { step: "nothing", because, reason: why, ...(version !== undefined && { version }) };
      ports.log("info", `updates: ${because}: ${why}`, { kind: "update-waits", update: facts });
    }
    said = because;
    doing = { step: "nothing", because, why };
    return Math.min(LONGEST_MS, Math.max(1, (decision.again ?? 0) - now.now) * 1000);
  };

  return {
    status,
    summary: () => {
      const { release, lookedAt, lookFailure, failure, paused, left, took, lock } = state;
      return {
        ...doing,
        ...(release && { release }),
        ...(lookedAt !== undefined && { lookedAt }),
        ...{
          lookFailures: lookFailure?.count ?? 0,
          failures: failure?.count ?? 0,
          left: left.length,
          isPaused: paused !== undefined,
        },
        ...(took !== undefined && { took }),
        ...(lock !== undefined && { lock }),
      };
    },
    plan: async () => ({ ...planOf(await situation(needed())), ...underWay() }),
    check: async (signal) => {
      await look(needed(), signal);
      wakeUp();
      return await status();
    },
    apply: async (signal) => {
      const config = needed();
      if (!state.release) await look(config, signal);
      const { running } = await ports.facts(state.release);
      if (!state.release || state.release.image === running.image)
        throw new AppError("NO_RELEASE", "there is nothing newer than what runs", { hint: "See `petrify updates status`." });
      await hear({ is: "told" });
      wakeUp();
      return await status();
    },
    pause: async ({ seconds, reason }, by) => {
      const until = seconds === undefined ? {} : { until: Math.floor(ports.now()) + seconds };
      await hear({ is: "paused", by, ...until, ...(reason !== undefined && { reason }) });
      wakeUp(); // whoever follows its events is told at once
      return await status();
    },
    resume: async () => {
      await hear({ is: "resumed" });
      wakeUp();
      return await status();
    },
    wake: wakeUp,
    loop: async (signal) => {
      if (ports.store.isNewer)
        return ports.log("alarm", "updates: their state was written by newer software: nothing is updated by itself");
      let isBegun = false;
      for (;;) {
        signal.throwIfAborted();
        const { promise } = wake;
        let pause = TROUBLE_MS;
        try {
          if (!isBegun) {
            await hear({ is: "started", coordinated: ports.config()?.coordination !== undefined });
            await hear({ is: "history", operations: ports.history() });
          }
          isBegun = true;
          pause = await turn(signal);
        } catch (error) {
          signal.throwIfAborted();
          ports.log("alarm", `updates: ${(error as Error).message}`);
        }
        if (pause === 0) continue;
        const over = new AbortController();
        const both = AbortSignal.any([signal, over.signal]);
        await Promise.race([ports.wait(pause, both), untilAborted(promise, both)]).finally(() => over.abort());
      }
    },
  };
}
