/** When what will happen, as far as that can be known today. Pure. */
import type { Seconds } from "../../core/units.ts";
import { DAY, openings } from "../../config/updates/calendar.ts";
import { decide, fits, nextLook, type UpdateBecause, type UpdateSituation } from "./decide.ts";

/** One line of a plan. */
export interface PlannedDate {
  /** Seconds since 1970. */
  readonly at: Seconds;
  readonly what: "look" | "old enough" | "hold ends" | "pause ends" | "window" | "window is too short" | "waits for no window";
  /** Of a window. */
  readonly until?: Seconds;
}
export interface UpdatePlan {
  readonly now: Seconds;
  /** Why nothing happens now, or what does. */
  readonly step: string;
  readonly because: UpdateBecause;
  readonly why: string;
  /** The first moment at which the release that was found can be restarted into, if nothing else comes between; absent where none is known, or it is not to be. */
  readonly earliest?: Seconds;
  /** In their order. */
  readonly dates: readonly PlannedDate[];
}

const MOST_WINDOWS = 5;
const AHEAD: Seconds = 60 * DAY;
/** Longer than anything is planned. */
const NO_LOOK: Seconds = 3000 * DAY;

export function planOf(situation: UpdateSituation): UpdatePlan {
  const { config, state, now } = situation;
  const { step, because, why } = decide(situation);
  const { release, paused } = state;
  const overdue = release?.security === true && config.maxDelay !== undefined ? release.created + config.maxDelay : undefined;
  const windows =
    config.windows.length === 0
      ? []
      : openings(config, now, now + AHEAD)
          .slice(0, MOST_WINDOWS)
          .map((opening): PlannedDate => ({
            at: opening.start,
            what: fits(situation)(opening) ? "window" : "window is too short",
            until: opening.end,
          }));
  const dates: PlannedDate[] = [
    { at: Math.max(now, nextLook(situation)), what: "look" },
    ...(release && release.created + config.minAge > now
      ? [{ at: release.created + config.minAge, what: "old enough" } as const]
      : []),
    ...(config.holdUntil !== undefined && config.holdUntil > now ? [{ at: config.holdUntil, what: "hold ends" } as const] : []),
    ...(paused?.until !== undefined && paused.until > now ? [{ at: paused.until, what: "pause ends" } as const] : []),
    ...windows,
    ...(overdue !== undefined && overdue > now ? [{ at: overdue, what: "waits for no window" } as const] : []),
  ];
  const earliest = earliestRestart(situation);
  return {
    ...{ now, step: step.do, because, why, dates: dates.toSorted((a, b) => a.at - b.at) },
    ...(earliest !== undefined && { earliest }),
  };
}

/** Follows the decision from one moment that it names to the next, as if nothing else changed and whatever it does succeeded at once. */
function earliestRestart(situation: UpdateSituation): Seconds | undefined {
  // Whether the fleet's lock is to be had then, and what a look will find, nobody knows.
  const { coordination: _, ...said } = situation.config;
  const { lookFailure: __, ...known } = situation.state;
  const { busy: ___, ...found } = situation.facts;
  if (!known.release || said.mode !== "apply") return undefined;
  const config = { ...said, check: { every: NO_LOOK, jitter: 0 } };
  const state = { ...known, lookedAt: situation.now };
  const facts = { ...found, at: "staged", locks: [] } as const;
  let now = situation.now;
  for (let turn = 0; turn < 200; turn++) {
    const { step, because, again } = decide({ config, state, facts, now });
    if (step.do === "stage" || step.do === "restart") return now;
    if (again === undefined || NEVER.has(because)) return undefined;
    now = again;
  }
  return undefined;
}
const NEVER: ReadonlySet<UpdateBecause> = new Set([
  "current",
  "fell back",
  "given up",
  "no source",
  "not a slot",
  "clock not set",
  "trial",
]);
