import { mkdir, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  AGENT_STATE_SIZE,
  decodeAgentState,
  EMPTY_STATE,
  encodeAgentState,
  type AgentState,
  type DecodedState,
} from "../layout/agent-state.ts";
import { fileExists } from "./files.ts";
import { syncDirectory } from "./replace-file.ts";

/** Used in turn: a write that is cut leaves the other one. */
const FILES = ["state-1", "state-2"] as const;

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

/**
 * Opens the state in a folder, which is made where it is missing.
 *
 * The files get their full size once and are overwritten in place from then on, so a partition without a free byte or inode can still be
 * written to. Never throws: what cannot be read is a problem to be reported, and a machine works without it.
 */
export async function openStateStore(folder: string): Promise<StateStore> {
  const problems: string[] = [];
  const states = await Promise.all(FILES.map(async (name) => await readState(join(folder, name), problems)));
  const isNewer = states.some((state) => state?.is === "newer");
  if (isNewer)
    problems.push(`the state in ${folder} was written by newer software: it is left alone, and nothing new is remembered`);
  const whole = states.map((state) => (state?.is === "whole" ? state : undefined));
  const [one, two] = whole;
  const newest = two && (!one || two.sequence > one.sequence) ? 1 : 0;
  if (!isNewer && states.some((state) => state?.is === "unreadable")) {
    problems.push(
      `a copy of the state in ${folder} is damaged: ${whole[newest] ? "the other one is used" : "the history of this machine starts anew"}`,
    );
  }
  let next = whole[newest] ? 1 - newest : 0;
  let sequence = whole[newest]?.sequence ?? 0;
  return {
    found: whole[newest]?.state ?? EMPTY_STATE,
    problems,
    readOnly: isNewer,
    store: async (state) => {
      if (isNewer) return;
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await overwrite(folder, FILES[next]!, encodeAgentState(state, sequence + 1));
      sequence++;
      next = 1 - next;
    },
  };
}

async function readState(path: string, problems: string[]): Promise<DecodedState | undefined> {
  try {
    return decodeAgentState(await readFile(path));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT") problems.push(`the state of the agent cannot be read: ${message}`);
    return undefined;
  }
}

async function overwrite(folder: string, name: string, data: Uint8Array): Promise<void> {
  const path = join(folder, name);
  const isNew = !(await fileExists(path));
  {
    await using file = await open(path, isNew ? "w" : "r+", 0o600);
    await file.write(data, 0, AGENT_STATE_SIZE, 0);
    await file.sync();
  }
  if (isNew) await syncDirectory(folder);
}
