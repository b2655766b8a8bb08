import type { Bytes } from "../core/units.ts";
import type { Output } from "./output.ts";
import type { Clock } from "./progress.ts";
import { rateMeter, rateText } from "./rate.ts";

interface PhaseProgress {
  readonly title: string;
  readonly output: Output;
  readonly clock: Clock;
  readonly json: boolean;
  /** What goes on now. */
  readonly note: (text: string) => void;
}

/** Between two documents of progress with --json. */
const TELL_MS = 1000;

/** Speed and time left of work in phases; documents of it with --json, now and then. */
export function phaseProgress({ title, output, clock, json, note }: PhaseProgress) {
  let meter: { readonly phase: string; readonly rate: ReturnType<typeof rateMeter> } | undefined;
  let told = -Infinity;
  return (phase: string, done: Bytes, total: Bytes): void => {
    if (meter?.phase !== phase) {
      meter = { phase, rate: rateMeter(clock) };
      told = -Infinity;
    }
    const rate = meter.rate(done, total);
    note(phase === "finishing" ? phase : `${phase} ${rateText(rate)}`);
    if (!json || (clock() - told < TELL_MS && done < total)) return;
    told = clock();
    const event = { type: "progress", step: title, phase, ...rate };
    output.event(event);
  };
}
