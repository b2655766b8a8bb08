/** @portable How fast something may go: a bucket of tokens, one for each byte. The clock and waiting are passed in. */
import type { Bytes, Seconds } from "./units.ts";

export interface PaceMeans {
  /** A second, on average. */
  readonly bytes: Bytes;
  /** Milliseconds, of a clock that nobody sets. */
  readonly now: () => number;
  /** @throws the signal's reason */
  readonly sleep: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
}
/**
 * Waits until bytes that have come are within what may come; in the order of the calls, however many there are at once.
 *
 * @throws the signal's reason
 */
export type Pace = (bytes: Bytes, signal?: AbortSignal) => Promise<void>;

/** What a bucket holds that nobody has taken from: so much comes at once. */
const BURST: Seconds = 0.25;

export function openPace({ bytes: perSecond, now, sleep }: PaceMeans): Pace {
  /** When the bucket is full again; what lies ahead of that is its debt. */
  let full = Number.NEGATIVE_INFINITY;
  return async (bytes, signal) => {
    const at = now();
    full = Math.max(full, at) + (1000 * bytes) / perSecond;
    const wait = full - BURST * 1000 - at;
    if (wait > 0) await sleep(wait, signal);
  };
}
