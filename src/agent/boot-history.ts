/** Which boots there were and how they ended, as far as can be known. Pure. */
import type { AgentState, BootEnd, BootEntry } from "../layout/agent-state.ts";
import { SLOTS, type BootTarget, type SlotName } from "../layout/slots.ts";
import type { Tries } from "../layout/tries.ts";

/** What is known of this boot when the agent starts. */
export interface BootStart {
  readonly id: string;
  readonly slot: BootTarget | "ram";
  /** Of the image; of an unseen boot's image nothing is known but its slot. */
  readonly version: string;
  /** Seconds since 1970. */
  readonly at: number;
  /** As the loader left them; `undefined` when unreadable. */
  readonly tries: Tries | undefined;
  /** What the slots have before any boot: stands in for what nobody remembers. */
  readonly granted?: Tries;
}

const NOT_STOPPED: BootEnd = {
  how: "unexpected",
  reason: "it ended without being stopped: by a power cut, a crash, a hang or a damaged block",
};
const UNSEEN: BootEnd = { how: "unseen", reason: "it ended before its agent had started" };
const DAY = 24 * 3600;

/**
 * The history with this boot added. A boot that was still running is over now, unexpectedly; tries that nobody accounts for were boots
 * that never got as far as the agent.
 *
 * An agent that starts again in the same boot finds its entry, and opens it again.
 */
export function beginBoot(state: AgentState, start: BootStart): AgentState {
  const { id, slot, version, at, tries } = start;
  const last = state.boots.at(-1);
  if (last?.id === id) {
    const { end: _, ...open } = last;
    return { ...state, boots: [...state.boots.slice(0, -1), open] };
  }
  const closed = state.boots.map((boot) => (boot.end || boot.id === undefined ? boot : { ...boot, end: NOT_STOPPED }));
  const unseen = SLOTS.flatMap((name): BootEntry[] =>
    Array.from({ length: unseenBoots(name, state.tries ?? start.granted, start) }, () => ({
      slot: name,
      version: "",
      at,
      healthy: false,
      end: UNSEEN,
    })),
  );
  return {
    ...state,
    boots: [...closed, ...unseen, { id, slot, version, at, healthy: false }],
    ...(tries ? { tries } : {}),
  };
}

/** The loader takes a try for each boot but one that was asked for by `next`. */
function unseenBoots(name: SlotName, before: Tries | undefined, { slot, tries }: BootStart): number {
  if (!before || !tries) return 0;
  const own = slot === name && before.next !== slot ? 1 : 0;
  return Math.max(0, before[name] - tries[name] - own);
}

/** The running boot ends like this, as far as its agent can tell; what follows may be a power cut. */
export const endBoot = (state: AgentState, end: BootEnd): AgentState => changeBoot(state, (boot) => ({ ...boot, end }));

/** The running boot's checks have passed. */
export const markHealthy = (state: AgentState): AgentState => changeBoot(state, (boot) => ({ ...boot, healthy: true }));

function changeBoot(state: AgentState, change: (boot: BootEntry) => BootEntry): AgentState {
  const last = state.boots.at(-1);
  return last ? { ...state, boots: [...state.boots.slice(0, -1), change(last)] } : state;
}

/** Boots before the running one that did not end as they should, newest first. */
export const failedBoots = ({ boots }: AgentState): readonly BootEntry[] =>
  boots.filter(({ end }) => end !== undefined && end.how !== "stopped").toReversed();

/**
 * When a slot has ended without anybody having asked for it, in the last 24 hours, oldest first. Nobody wrote the moment down: the next boot's
 * start stands for it, as a machine that restarts by itself is back at once.
 *
 * @param now seconds since 1970, like the result
 */
export const unexpectedEnds = ({ boots }: AgentState, slot: SlotName, now: number): readonly number[] =>
  boots
    .flatMap((boot, index) => {
      const isUnexpected = boot.slot === slot && (boot.end?.how === "unexpected" || boot.end?.how === "unseen");
      return isUnexpected ? [(boots[index + 1] ?? boot).at] : [];
    })
    .filter((at) => now - at < DAY);
