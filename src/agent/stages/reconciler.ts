/** From time to time: whether the machine is as its config says, and the stage `reconcile`. docs/concepts/stages.md */
import type { AgentPorts } from "../ports.ts";

/** Milliseconds, each with as much again at most, by the machine's own jitter. */
const FIRST_MS = 5 * 60_000;
const EVERY_MS = 30 * 60_000;

export interface Reconciler {
  /** Begins one where it is time; nobody waits for it. */
  readonly look: (signal: AbortSignal) => void;
}

export function openReconciler({
  stages,
  uptime,
  jitter,
  log,
}: Pick<AgentPorts, "stages" | "uptime" | "jitter" | "log">): Reconciler {
  let next = FIRST_MS * (1 + jitter);
  let isBusy = false;
  const work = async (signal: AbortSignal): Promise<void> => {
    try {
      await stages.start("reconcile", signal);
    } catch (error) {
      if (!signal.aborted) log("info", (error as Error).message);
    } finally {
      isBusy = false;
      next = uptime() + EVERY_MS * (1 + jitter);
    }
  };
  return {
    look: (signal) => {
      if (isBusy || uptime() < next) return;
      isBusy = true;
      void work(signal);
    },
  };
}
