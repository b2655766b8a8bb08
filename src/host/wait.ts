import { setTimeout } from "node:timers/promises";

/** Resolves after so many milliseconds; rejects with the signal's reason when that comes first. */
export async function wait(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await setTimeout(ms, undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}
