/**
 * What a machine does next to stay current, and why. Pure: everything is derived from what the config says, what is stored, what is there and what time it is, so a
 * power cut or a killed agent only asks again. Drawn in docs/concepts/updates.md.
 */
import { timeText } from "../../core/date-text.ts";
import { formatSpan, type Seconds } from "../../core/units.ts";
import { longestWindow, nextOpening, type Opening } from "../../config/updates/calendar.ts";
import type { UpdatesConfig } from "../../config/updates/updates-config.ts";
import type { KnownRelease, UpdateFailure, UpdatesState } from "../../layout/updates-state.ts";

/** What is so on the machine, now. */
export interface UpdateFacts {
  /** Otherwise nothing that goes by the calendar can be said. */
  readonly clockIsSet: boolean;
  /** What was booted. `trial`: it is not known yet whether this boot is good. `other`: recovery, or from memory. */
  readonly running: { readonly is: "proven" | "trial" | "other"; readonly image: string };
  /** How far the wanted release is; its image is verified whole wherever it is. */
  readonly at: "elsewhere" | "downloaded" | "staged";
  /** Another operation that is under way, as the end of a sentence. */
  readonly busy?: string;
  /** Who wants no restart now, and for how many seconds more. */
  readonly locks: readonly { readonly name: string; readonly left: Seconds; readonly reason?: string }[];
  /** The line's bytes cost money. */
  readonly isMetered: boolean;
  /** Since the kernel's start. */
  readonly uptime: Seconds;
}
export interface UpdateSituation {
  readonly config: UpdatesConfig;
  readonly state: UpdatesState;
  readonly facts: UpdateFacts;
  /** Seconds since 1970. */
  readonly now: Seconds;
}

export type UpdateStep =
  /** What the source has. */
  | { readonly do: "look" }
  /** The image is brought to the slot that does not run, and does not boot yet. */
  | { readonly do: "download"; readonly release: KnownRelease }
  /** Of the fleet. */
  | { readonly do: "take-lock" }
  /** The slot is verified once more, and is what the next restart boots. */
  | { readonly do: "stage"; readonly release: KnownRelease }
  | { readonly do: "restart"; readonly release: KnownRelease }
  | { readonly do: "give-lock-back" }
  | { readonly do: "nothing" };

/** Why nothing more is done. */
export type UpdateBecause =
  | "no source"
  | "clock not set"
  | "trial"
  | "not a slot"
  | "current"
  | "fell back"
  | "given up"
  | "retry"
  | "busy"
  | "told only"
  | "paused"
  | "hold"
  | "too young"
  | "metered"
  | "mode"
  | "window"
  | "no window"
  | "lock"
  | "fleet lock"
  /** There is something to do. */
  | "due";

export interface UpdateDecision {
  readonly step: UpdateStep;
  readonly because: UpdateBecause;
  /** One sentence, without the full stop. */
  readonly why: string;
  /** Where there is nothing to do: when something else may be decided if nothing else changes; seconds since 1970, after now. */
  readonly again?: Seconds;
}

/** An update that was never made here takes no longer than that, as far as anybody knows. */
const USUAL_UPDATE: Seconds = 600;
/** Clocks are set, locks end, operations end: so often is looked at least. */
const SOON: Seconds = 60;
/** So long after a window has opened it counts as if it were opening now. */
const LATE: Seconds = 60;
/** What was staged longer ago is verified again before it is restarted into. */
const JUST: Seconds = 600;
const LATER: Seconds = 3600;
/** A clock that goes back a little was only corrected. */
const CORRECTION: Seconds = 300;

/** How long staging took that has ended a moment ago, by a clock that nobody sets; nothing where it was longer ago, in another boot, or by somebody else. */
function justStaged({ began, release }: StagedState, { at, uptime }: StagedFacts): Seconds | undefined {
  if (at !== "staged" || began?.spent === undefined || began.image !== release?.image) return undefined;
  const ago = uptime - began.uptime - began.spent;
  return ago >= 0 && ago < JUST ? began.spent : undefined;
}
type StagedState = Pick<UpdatesState, "began" | "release">;
type StagedFacts = Pick<UpdateFacts, "at" | "uptime">;

/** How long the window has to be open still: for a whole update, or for the rest of one that is staged. */
export const timeNeeded = (state: StagedState & Pick<UpdatesState, "took">, facts: StagedFacts): Seconds =>
  (state.took ?? USUAL_UPDATE) - (justStaged(state, facts) ?? 0);

/**
 * Whether an update has the time that it needs in an opening. Nobody looks just when that begins, and asking for the fleet's lock takes a moment: a window that is exactly
 * long enough is.
 */
export const fits =
  ({ state, facts, now }: Pick<UpdateSituation, "state" | "facts" | "now">) =>
  ({ start, end }: Opening): boolean =>
    end - Math.max(start, now - LATE) >= timeNeeded(state, facts);

export function decide(situation: UpdateSituation): UpdateDecision {
  const { config, state, facts, now } = situation;
  const wanted = withoutLock(situation);
  if (state.lock === undefined || !config.coordination) return wanted;
  // Nobody else is to go where this machine is not known to have come back from.
  if (facts.running.is !== "proven") return wanted;
  if (wanted.step.do === "take-lock" || wanted.step.do === "stage" || wanted.step.do === "restart") return wanted;
  const waits = waitsUntil(state.lockFailure, config, now);
  if (waits === undefined) return due({ do: "give-lock-back" }, "the fleet's lock is given back: nothing is to be restarted now");
  return { ...wanted, again: Math.min(wanted.again ?? waits, waits) };
}

const due = (step: UpdateStep, why: string): UpdateDecision => ({ step, because: "due", why });

function withoutLock(situation: UpdateSituation): UpdateDecision {
  const { config, state, facts, now } = situation;
  const nothing = (because: UpdateBecause, why: string, again: Seconds): UpdateDecision => ({
    ...{ step: { do: "nothing" }, because, why },
    again: Math.max(now + 1, again),
  });
  if (config.source === undefined) return nothing("no source", "the config names no source", now + LATER);
  const { running } = facts;
  if (running.is === "trial")
    return nothing("trial", "this boot is on trial: it is not known yet whether it is good", now + SOON);
  if (running.is === "other") return nothing("not a slot", "this boot is not one of a slot", now + LATER);
  if (!facts.clockIsSet) return nothing("clock not set", "this machine does not know what day it is", now + SOON);

  const look = nextLook(situation);
  if (look <= now) return due({ do: "look" }, "it is time to look for a release");
  const { release, lookFailure } = state;
  if (!release && lookFailure)
    return nothing("retry", `the source is looked at again at ${timeText(look)} UTC: ${lookFailure.reason}`, look);
  if (!release) return nothing("current", "the source has nothing newer", look);
  if (release.image === running.image) return nothing("current", `${release.version} is what runs`, look);
  const rest = (because: UpdateBecause, why: string, again: Seconds = look): UpdateDecision =>
    nothing(because, `${release.version}: ${why}`, Math.min(again, look));

  const isTold = state.told?.image === release.image;
  const left = state.left.find(({ image }) => image === release.image);
  if (left && left.again !== true) return rest("fell back", `it fell back here on ${timeText(left.at)} UTC: ${left.reason}`);
  const failure = state.failure?.image === release.image ? state.failure : undefined;
  if (failure && !isTold && config.retry.limit !== undefined && failure.count >= config.retry.limit)
    return rest("given up", `it has failed ${failure.count} times: ${failure.reason}`);
  const retry = waitsUntil(failure, config, now);
  if (retry !== undefined) return rest("retry", `it is tried again at ${timeText(retry)} UTC: ${failure!.reason}`, retry);
  if (facts.busy !== undefined) return rest("busy", facts.busy, now + SOON);

  const mode = isTold ? "apply" : config.mode;
  if (mode === "notify") return rest("told only", "it is there, and nothing is taken by itself");
  const { paused } = state;
  if (!isTold && paused && (paused.until === undefined || now < paused.until)) {
    const by = `paused by ${paused.by}${paused.reason === undefined ? "" : `: ${paused.reason}`}`;
    return rest("paused", by, paused.until);
  }
  if (!isTold && config.holdUntil !== undefined && now < config.holdUntil)
    return rest("hold", `held until ${timeText(config.holdUntil)} UTC`, config.holdUntil);
  const old = release.created + config.minAge;
  if (!isTold && now < old) return rest("too young", `it is to be ${formatSpan(config.minAge)} old first`, old);

  if (facts.at === "elsewhere") {
    if (facts.isMetered && config.metered === "wait" && !isTold)
      return rest("metered", "the bytes of this line cost money", now + SOON);
    if (mode === "stage") return due({ do: "stage", release }, `${release.version} is there`);
    return due({ do: "download", release }, `${release.version} is there`);
  }
  if (mode === "download") return rest("mode", "it is at hand: `petrify updates now` applies it");
  if (mode === "stage") {
    if (facts.at === "downloaded") return due({ do: "stage", release }, `${release.version} is at hand`);
    return rest("mode", "it runs after the next restart");
  }

  const window = isTold ? undefined : windowWait(situation, release);
  if (window) return rest(...window);
  const [lock] = facts.locks.toSorted((a, b) => b.left - a.left);
  if (lock) {
    const why = `the lock ${lock.name}${lock.reason === undefined ? "" : ` (${lock.reason})`} ends in ${formatSpan(lock.left)}`;
    return rest("lock", why, now + Math.min(SOON, Math.max(1, Math.ceil(lock.left))));
  }
  if (config.coordination && state.lock !== "held") {
    const waits = waitsUntil(state.lockFailure, config, now);
    if (waits !== undefined) return rest("fleet lock", `the fleet's lock is not to be had: ${state.lockFailure!.reason}`, waits);
    return due({ do: "take-lock" }, `${release.version} is to be restarted into`);
  }
  if (justStaged(state, facts) === undefined) return due({ do: "stage", release }, `${release.version} is to be restarted into`);
  return due({ do: "restart", release }, `${release.version} is staged, and the time has come`);
}

/** Why no window allows a restart now, and when one will; nothing where one does. */
function windowWait(
  situation: UpdateSituation,
  release: KnownRelease,
): readonly [because: UpdateBecause, why: string, again: Seconds] | undefined {
  const { config, state, facts, now } = situation;
  const { maxDelay } = config;
  const overdue = release.security && maxDelay !== undefined ? release.created + maxDelay : undefined;
  if (overdue !== undefined && now >= overdue) return undefined;
  const opening = nextOpening(config, now, fits(situation));
  if (opening && opening.start <= now) return undefined;
  const soonest = Math.min(opening?.start ?? now + LATER, overdue ?? Number.POSITIVE_INFINITY);
  if (opening) return ["window", `the next window opens at ${timeText(opening.start)} UTC`, soonest];
  const needed = timeNeeded(state, facts);
  const why =
    (longestWindow(config) ?? 0) < needed
      ? `no window is as long as the ${formatSpan(needed)} that the last update took`
      : "exceptions cover every window for a year";
  return ["no window", why, soonest];
}

/** What is looked at. */
export const lookKey = ({ source, channel }: Pick<UpdatesConfig, "source" | "channel">): string =>
  `${source} ${JSON.stringify(channel)}`;

/** When is looked: after so long, as much later as this machine's chance says; after a start not with all others that were started, too; where the config names another source, at once. */
export function nextLook({ config, state, facts, now }: UpdateSituation): Seconds {
  const { every, jitter } = config.check;
  const later = Math.floor(state.chance * jitter);
  const { lookedAt, lookedFor, lookFailure } = state;
  if (lookedFor !== undefined && lookedFor !== lookKey(config)) return now;
  const start = now - facts.uptime + later;
  // Never, or by a clock that was wrong.
  if (lookedAt === undefined || lookedAt > now + CORRECTION) return start;
  const next = lookFailure ? lookedAt + backOff(lookFailure, config) : lookedAt + every + later;
  return next < now - facts.uptime ? start : next;
}

/** Twice as long each time. */
function backOff({ count }: UpdateFailure, { retry: { first, longest } }: UpdatesConfig): Seconds {
  return Math.min(longest, first * 2 ** Math.min(count - 1, 40));
}

/** The moment until which what has failed is not tried again; nothing where that is over. */
function waitsUntil(failure: UpdateFailure | undefined, config: UpdatesConfig, now: Seconds): Seconds | undefined {
  if (!failure || failure.at > now + CORRECTION) return undefined;
  const until = failure.at + backOff(failure, config);
  return now < until ? until : undefined;
}
