/** What is remembered of updates after something has happened. Pure. */
import type { Seconds } from "../../core/units.ts";
import type { FinishedOperation } from "../../layout/operation.ts";
import { shortLine } from "../../layout/short-line.ts";
import type { KnownRelease, LeftRelease, UpdateFailure, UpdatesState } from "../../layout/updates-state.ts";

export type UpdateEvent =
  /**
   * @property at which source and channel, as decide.ts names them
   * @property release that the channel names, where it is one that the machine may take
   */
  | { readonly is: "looked"; readonly at: string; readonly release: KnownRelease | undefined; readonly chance: number }
  | { readonly is: "look failed"; readonly at: string; readonly reason: string; readonly chance: number }
  | { readonly is: "downloaded"; readonly image: string }
  /** @property uptime seconds since the kernel's start */
  | { readonly is: "staging"; readonly image: string; readonly uptime: Seconds }
  | { readonly is: "staged"; readonly uptime: Seconds }
  /** To bring a release here, or to stage it. */
  | { readonly is: "failed"; readonly image: string; readonly reason: string }
  | { readonly is: "lock taken" }
  | { readonly is: "lock refused"; readonly reason: string }
  | { readonly is: "lock given back" }
  | { readonly is: "lock not given back"; readonly reason: string }
  /** The agent has started. @property coordinated the fleet's lock may be held from before */
  | { readonly is: "started"; readonly coordinated: boolean }
  /** This boot is good. */
  | { readonly is: "healthy"; readonly image: string; readonly uptime: Seconds }
  /** What has ended, oldest first. */
  | { readonly is: "history"; readonly operations: readonly FinishedOperation[] }
  | { readonly is: "paused"; readonly by: string; readonly until?: Seconds; readonly reason?: string }
  | { readonly is: "resumed" }
  /** What was found is to be applied now, also if it has fallen back here. */
  | { readonly is: "told" };

/** What firmware and loader take, which no clock of the kernel's counts. */
const BEFORE_KERNEL: Seconds = 60;
/** More is no start: nobody was there to see when the machine was healthy. */
const LONGEST_START: Seconds = 3600;

/** @param now seconds since 1970 */
export function next(state: UpdatesState, event: UpdateEvent, now: Seconds): UpdatesState {
  switch (event.is) {
    case "looked": {
      const { lookFailure: _, release: __, ...rest } = state;
      const { at, release, chance } = event;
      return { ...forgotten(rest, release), lookedAt: now, lookedFor: at, chance, ...(release && { release }) };
    }
    case "look failed": {
      const { at, reason, chance } = event;
      const isSame = state.lookedFor === undefined || state.lookedFor === at;
      const { release, lookFailure, ...rest } = state;
      // What another source had is not what is wanted.
      const known = isSame ? { ...rest, ...(release && { release }) } : forgotten(rest, undefined);
      return {
        ...known,
        lookedAt: now,
        lookedFor: at,
        chance,
        lookFailure: failed(isSame ? lookFailure : undefined, reason, now),
      };
    }
    case "downloaded": {
      const { failure, ...rest } = state;
      return failure?.image === event.image ? rest : state;
    }
    case "staging":
      return { ...state, began: { image: event.image, uptime: event.uptime } };
    case "staged": {
      const { began } = state;
      // How long it waits for its restart does not count.
      if (!began || event.uptime < began.uptime) return state;
      return { ...state, began: { ...began, spent: event.uptime - began.uptime } };
    }
    case "failed": {
      const { image, reason } = event;
      const { told: _, began: __, ...rest } = state;
      const before = state.failure?.image === image ? state.failure : undefined;
      return { ...rest, failure: { ...failed(before, reason, now), image } };
    }
    case "lock taken": {
      const { lockFailure: _, ...rest } = state;
      return { ...rest, lock: "held" };
    }
    case "lock refused":
    case "lock not given back":
      return { ...state, lockFailure: failed(state.lockFailure, event.reason, now) };
    case "lock given back": {
      const { lock: _, lockFailure: __, ...rest } = state;
      return rest;
    }
    case "started": {
      const { lock: _, lockFailure: __, ...rest } = state;
      return event.coordinated ? { ...rest, lock: "unsure" } : rest;
    }
    case "healthy": {
      const { began, told: _, failure: __, ...rest } = state;
      if (began?.image !== event.image) return state;
      const isMeasured = began.spent !== undefined && event.uptime <= LONGEST_START;
      return { ...rest, ...(isMeasured && { took: Math.ceil(began.spent + BEFORE_KERNEL + event.uptime) }) };
    }
    case "history":
      // The last time of each image; times would not tell which it is: clocks are set.
      return [...new Map(event.operations.filter(fellBack).map((one) => [one.image.digest, one])).values()].reduce(
        withLeft,
        state,
      );
    case "paused": {
      const { by, until, reason } = event;
      const about = { ...(until !== undefined && { until }), ...(reason !== undefined && { reason: shortLine(reason) }) };
      return { ...state, paused: { at: now, by: shortLine(by), ...about } };
    }
    case "resumed": {
      const { paused: _, ...rest } = state;
      return rest;
    }
    case "told": {
      const { release, failure: _, ...rest } = state;
      if (!release) return state;
      const left = state.left.map((one): LeftRelease => (one.image === release.image ? { ...one, again: true } : one));
      return { ...rest, release, left, told: { image: release.image, at: now } };
    }
  }
}

/** What was said and failed of a release that is not wanted any more. */
function forgotten(state: UpdatesState, release: KnownRelease | undefined): UpdatesState {
  const { told, failure, ...rest } = state;
  return {
    ...rest,
    ...(told && told.image === release?.image && { told }),
    ...(failure && failure.image === release?.image && { failure }),
  };
}

const failed = (before: UpdateFailure | undefined, reason: string, now: Seconds): UpdateFailure => ({
  ...{ count: (before?.count ?? 0) + 1, at: now, reason: shortLine(reason) },
});

const fellBack = ({ kind, outcome, image }: FinishedOperation): boolean =>
  kind === "upgrade" && outcome === "fell back" && image.digest !== undefined;

/** A release that was left is remembered longer than what was done; one that somebody wanted again, and that has fallen back again, is left again. */
function withLeft(state: UpdatesState, { id, image, endedAt, startedAt, reason = "" }: FinishedOperation): UpdatesState {
  const known = state.left.find((one) => one.image === image.digest);
  if (known?.operation === id) return state;
  const release = state.release?.image === image.digest ? state.release : undefined;
  const left: LeftRelease = {
    ...{ operation: id, image: image.digest!, version: image.version ?? "", at: endedAt, reason },
    created: release?.created ?? startedAt,
  };
  const { told, began: _, ...rest } = state;
  const others = state.left.filter((one) => one !== known);
  return { ...rest, ...(told && told.image !== image.digest && { told }), left: [...others, left] };
}
