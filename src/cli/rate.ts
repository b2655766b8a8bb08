/** How fast work goes, and how long it will take. */
import { formatSize, type Bytes } from "../core/units.ts";
import { formatSeconds, type Clock } from "./progress.ts";

export interface Rate {
  readonly done: Bytes;
  readonly total: Bytes;
  readonly bytesPerSecond: number;
  /** Nothing before anything can be said. */
  readonly secondsLeft: number | undefined;
}

/** Speed and time left of one phase, from its own beginning. */
export function rateMeter(clock: Clock): (done: Bytes, total: Bytes) => Rate {
  const since = clock();
  return (done, total) => {
    const seconds = (clock() - since) / 1000;
    const bytesPerSecond = seconds > 0 ? Math.round(done / seconds) : 0;
    const secondsLeft = bytesPerSecond > 0 ? Math.ceil((total - done) / bytesPerSecond) : undefined;
    return { done, total, bytesPerSecond, secondsLeft };
  };
}

/** `45 %, 38.1 MiB/s, 1 min 2 s left`: with what goes on, it fits a line of 80 columns. */
export function rateText({ done, total, bytesPerSecond, secondsLeft }: Rate): string {
  const share = total === 0 ? 100 : Math.floor((done / total) * 100);
  const left = secondsLeft === undefined ? "" : `, ${formatSeconds(secondsLeft * 1000).replace(".0", "")} left`;
  return `${share} %${bytesPerSecond > 0 ? `, ${formatSize(bytesPerSecond)}/s` : ""}${left}`;
}
