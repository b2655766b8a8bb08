/** How a machine keeps itself current, for people. Pure. */
import type { PlannedDate, UpdatePlan } from "../../agent/updates/plan.ts";
import type { UpdatesStatus } from "../../agent/updates/updates.ts";
import type { UpdateChannel } from "../../config/updates/updates-config.ts";
import { timeText } from "../../core/date-text.ts";
import { formatSpan } from "../../core/units.ts";

const row = (name: string, text: string): string => `${name.padEnd(10)}${text}`;
const at = (seconds: number): string => `${timeText(seconds)} UTC`;

export function statusText({ config, state, next, locks }: UpdatesStatus): string {
  if (!config) return "The machine config says nothing of updates: nothing is done by itself.";
  const { release, lookedAt, lookFailure, paused, left, took, lock } = state;
  return [
    row("source", config.source === undefined ? "none" : `${config.source}, ${channelText(config.channel)}`),
    row("mode", config.mode),
    row("looked", lookedAt === undefined ? "never" : at(lookedAt)),
    ...(lookFailure ? [row("failed", `${lookFailure.count} times: ${lookFailure.reason}`)] : []),
    row(
      "found",
      release
        ? `${release.version}${release.security ? ", a security release" : ""}, made ${at(release.created)}`
        : "nothing newer",
    ),
    ...(next ? [row("next", `${next.step === "nothing" ? next.because : next.step}: ${next.why}`)] : []),
    ...(paused
      ? [row("paused", `by ${paused.by}${paused.until === undefined ? "" : `, until ${at(paused.until)}`}${reasonOf(paused)}`)]
      : []),
    ...locks.map((one) => row("lock", `${one.name}, for ${formatSpan(one.left)} at the most${reasonOf(one)}`)),
    ...(lock ? [row("fleet", lock === "held" ? "its lock is held" : "whether its lock is held is not known yet")] : []),
    ...left.map((one) =>
      row("left", `${one.version}, on ${at(one.at)}${one.again ? ", and is to be tried again" : ""}${reasonOf(one)}`),
    ),
    ...(took === undefined ? [] : [row("took", `${formatSpan(took)}, the last time`)]),
  ].join("\n");
}

export function planText({ because, step, why, earliest, dates }: UpdatePlan): string {
  return [
    row("now", `${step === "nothing" ? because : step}: ${why}`),
    ...(earliest === undefined ? [] : [row("restart", `${at(earliest)} at the earliest`)]),
    ...dates.map((date) => `${at(date.at)}  ${dateText(date)}`),
  ].join("\n");
}

const TEXTS: Readonly<Record<PlannedDate["what"], string>> = {
  look: "the source is looked at",
  "old enough": "the release is old enough",
  "hold ends": "the hold ends",
  "pause ends": "the pause ends",
  window: "a window opens",
  "window is too short": "a window opens, too short for an update as long as the last one",
  "waits for no window": "the security release waits for no window any more",
};
const dateText = ({ at: from, what, until }: PlannedDate): string =>
  `${TEXTS[what]}${until === undefined ? "" : `, for ${formatSpan(until - from)}`}`;
const reasonOf = ({ reason }: { readonly reason?: string }): string => (reason === undefined ? "" : `: ${reason}`);
const channelText = (channel: UpdateChannel): string =>
  "tag" in channel ? `tag ${channel.tag}` : "versions" in channel ? `versions ${channel.versions}` : channel.digest;
