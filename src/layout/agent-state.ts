/** @portable What the agent remembers over reboots, besides the boot record. Format: docs/formats/agent-state.md */
import type { Bytes } from "../core/units.ts";
import { asciiJson } from "./ascii-json.ts";
import { decodeNumbered, encodeNumbered, type NumberedKind } from "./numbered-text.ts";
import type { AskedBoot, FinishedOperation, Operation } from "./operation.ts";
import type { BootTarget, SlotName } from "./slots.ts";
import type { Tries } from "./tries.ts";

/** Capacity of one of the two files: written once at this size, then only overwritten in place, so that a full disk does not matter. */
export const AGENT_STATE_SIZE: Bytes = 64 * 1024;
const KIND: NumberedKind = { name: "petrify-state", format: 1, size: AGENT_STATE_SIZE };
/** Older ones are forgotten. */
const MAX_BOOTS = 24;
/** Some 400 bytes each. */
const MAX_OPERATIONS = 40;
const MAX_LOG = 4000;

/** How a boot ended. */
export const ENDINGS = ["stopped", "unexpected", "unhealthy", "damaged", "unseen"] as const;
/**
 * `stopped`: in good order. `unexpected`: nobody asked for it (power, panic, watchdog, a damaged block). `unhealthy`: its health checks did not
 * pass in time. `damaged`: its slot was found damaged. `unseen`: it died before its agent could store anything.
 */
export type Ending = (typeof ENDINGS)[number];

export interface BootEnd {
  readonly how: Ending;
  /** One sentence. */
  readonly reason: string;
  /** The end of its log, and where that was found. */
  readonly log?: { readonly source: LogSource; readonly text: string };
}
export const LOG_SOURCES = ["journal", "pstore", "last words", "none"] as const;
export type LogSource = (typeof LOG_SOURCES)[number];

/** A boot that the agent has seen, or one that it knows of by the tries it took. */
export interface BootEntry {
  /** The kernel's boot id; absent of an unseen one. Source: random(4), /proc/sys/kernel/random/boot_id */
  readonly id?: string;
  readonly slot: BootTarget | "ram";
  /** Of the image. */
  readonly version: string;
  /** Seconds since 1970 at which the agent started; of an unseen boot, at which it was noticed. */
  readonly at: number;
  /** Its health checks have passed. */
  readonly healthy: boolean;
  /** Absent while it runs, and as long as nobody has noticed its end. */
  readonly end?: BootEnd;
}

/** What is being verified, as far as it has come. */
export interface VerifyProgress {
  readonly slot: SlotName | "recovery";
  /** Of the image's manifest: another image starts anew; empty where none is known. */
  readonly digest: string;
  /** Data blocks that are whole. */
  readonly blocks: number;
}
/** The last verification of an image that came to an end. */
export interface ScrubResult {
  /** Seconds since 1970. */
  readonly at: number;
  /** Absent when the image is whole; else one sentence. */
  readonly damage?: string;
}

/** Attempts to leave recovery that came to nothing so far, as far as anybody knows. */
export interface RecoveryAttempts {
  readonly count: number;
  /** The slot that the last one was about. */
  readonly slot?: SlotName;
}

export interface AgentState {
  /** Seconds since 1970 at which an agent first ran here. */
  readonly since?: number;
  /** Oldest first. */
  readonly boots: readonly BootEntry[];
  /** As the agent last saw or wrote them: what is missing at its next start was taken by boots. */
  readonly tries?: Tries;
  /** Units that had failed when a boot was last healthy. */
  readonly failedUnits: readonly string[];
  /** Seconds since 1970 of the last restart because a proven slot was not healthy. */
  readonly lastHealthRestart?: number;
  /** CRC-32 of the last words that were reported, 8 hexadecimal digits. */
  readonly lastWords?: string;
  readonly verifying?: VerifyProgress;
  readonly scrubs: { readonly [image in SlotName | "recovery"]?: ScrubResult };
  /** What is under way, over restarts. */
  readonly operation?: Operation;
  readonly asked?: AskedBoot;
  /** When the release that a slot's image came with was made, in seconds since 1970; of the image with that digest. */
  readonly released?: { readonly [slot in SlotName]?: { readonly digest: string; readonly created: number } };
  /** What recovery has tried since a slot was last healthy. */
  readonly recovery?: RecoveryAttempts;
  /** What has ended, oldest first. */
  readonly operations: readonly FinishedOperation[];
}

export const EMPTY_STATE: AgentState = { boots: [], failedUnits: [], scrubs: {}, operations: [] };

/** What one file says. */
export type DecodedState =
  | { readonly is: "whole"; readonly sequence: number; readonly value: AgentState }
  /** Undamaged, of newer software: left alone. */
  | { readonly is: "newer"; readonly sequence: number }
  | { readonly is: "unreadable" };

/** @returns {@link AGENT_STATE_SIZE} bytes; the oldest boots are left out when there is no room for them, and then the oldest operations */
export function encodeAgentState(state: AgentState, sequence: number): Uint8Array {
  let boots = state.boots.slice(-MAX_BOOTS).map(shortened);
  let operations = state.operations.slice(-MAX_OPERATIONS);
  for (;;) {
    const bytes = encodeNumbered(KIND, sequence, asciiJson({ ...state, boots, operations }));
    if (bytes) return bytes;
    if (boots.length > 0) boots = boots.slice(1);
    else if (operations.length > 0) operations = operations.slice(1);
    else throw new RangeError("agent state: is too large");
  }
}

/** Never throws: whatever is not certainly a state is `unreadable`. */
export function decodeAgentState(bytes: Uint8Array): DecodedState {
  const found = decodeNumbered(KIND, bytes);
  if (found.is !== "whole") return found;
  try {
    const value = JSON.parse(found.text) as Partial<AgentState>;
    return { is: "whole", sequence: found.sequence, value: { ...EMPTY_STATE, ...value } };
  } catch {
    return { is: "unreadable" };
  }
}

const shortened = (boot: BootEntry): BootEntry =>
  boot.end?.log && boot.end.log.text.length > MAX_LOG
    ? { ...boot, end: { ...boot.end, log: { ...boot.end.log, text: boot.end.log.text.slice(-MAX_LOG) } } }
    : boot;
