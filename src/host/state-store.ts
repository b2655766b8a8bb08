import { decodeAgentState, EMPTY_STATE, encodeAgentState, type AgentState } from "../layout/agent-state.ts";
import { openTwins } from "./twin-files.ts";

/** What the agent remembers, on the oem partition. */
export interface StateStore {
  /** As it was found; empty where there was nothing to read. */
  readonly found: AgentState;
  /** What was wrong with it, a sentence each. */
  readonly problems: readonly string[];
  /** Newer software's state is served from, and never written. */
  readonly readOnly: boolean;
  /** Durable when it returns. @throws NodeJS.ErrnoException: the state before is still there */
  store(state: AgentState): Promise<void>;
}

/** Of a machine that has nowhere to remember anything: a boot from memory. */
export const forgetfulStore: StateStore = { found: EMPTY_STATE, problems: [], readOnly: false, store: async () => {} };

/** Opens the state in a folder, which is made where it is missing. Never throws: a machine works without it. */
export async function openStateStore(folder: string): Promise<StateStore> {
  const twins = await openTwins(folder, { names: ["state-1", "state-2"], encode: encodeAgentState, decode: decodeAgentState });
  const { found, isNewer, isDamaged, unread } = twins;
  const problems = unread.map((why) => `the state of the agent cannot be read: ${why}`);
  if (isNewer)
    problems.push(`the state in ${folder} was written by newer software: it is left alone, and nothing new is remembered`);
  else if (isDamaged) {
    const instead = found ? "the other one is used" : "the history of this machine starts anew";
    problems.push(`a copy of the state in ${folder} is damaged: ${instead}`);
  }
  return { found: found ?? EMPTY_STATE, problems, readOnly: isNewer, store: twins.store };
}
