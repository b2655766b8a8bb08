/** @portable What is right in `updates`, and hardly meant. */
import { dateText } from "../../core/date-text.ts";
import type { Seconds } from "../../core/units.ts";
import { nextOpening } from "./calendar.ts";
import type { UpdatesConfig } from "./updates-config.ts";

/** @param now seconds since 1970 @returns a sentence each, as about `updates` */
export function updateNotes(config: UpdatesConfig, now: Seconds): string[] {
  const { source, holdUntil, exceptions, windows, mode, coordination } = config;
  const today = dateText(now);
  const past = exceptions.filter(({ to }) => to < dateText(now - 86_400)).length;
  return [
    ...(source === undefined ? ["no source: nothing is looked for"] : []),
    ...(holdUntil !== undefined && holdUntil <= now ? [`hold: ${dateText(holdUntil)} is over: it holds nothing back`] : []),
    ...(past > 0 ? [`exceptions: ${past === 1 ? "one is" : `${past} are`} over`] : []),
    ...(windows.length > 0 && !nextOpening(config, now)
      ? [`windows: exceptions cover all of them for a year from ${today}`]
      : []),
    ...(mode !== "apply" && windows.length > 0 ? [`windows: with mode ${mode} nothing restarts by itself`] : []),
    ...(mode !== "apply" && coordination ? [`coordination: with mode ${mode} nothing restarts by itself`] : []),
  ];
}
