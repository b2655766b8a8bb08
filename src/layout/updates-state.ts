/** @portable What a machine remembers of its updates, over reboots. Format: docs/formats/updates-state.md */
import type { Bytes, Seconds } from "../core/units.ts";
import { asciiJson } from "./ascii-json.ts";
import { decodeNumbered, encodeNumbered, type NumberedKind } from "./numbered-text.ts";

/** A release that the source has. */
export interface KnownRelease {
  /** SHA-256 of its image's manifest, hex: which image it is. */
  readonly image: string;
  readonly version: string;
  /** Seconds since 1970: when it was made. */
  readonly created: Seconds;
  /** It mends something that others could use. */
  readonly security: boolean;
  /** Names it by digest. */
  readonly reference: string;
}
/** What has failed so many times, one after the other. */
export interface UpdateFailure {
  readonly count: number;
  /** Seconds since 1970 of the last time. */
  readonly at: Seconds;
  readonly reason: string;
}
/** A release that was booted here, and left again. */
export interface LeftRelease {
  /** Id of the upgrade that fell back. */
  readonly operation: string;
  readonly image: string;
  readonly version: string;
  /** Seconds since 1970; where it is not known, when it was asked for. */
  readonly created: Seconds;
  /** Seconds since 1970. */
  readonly at: Seconds;
  readonly reason: string;
  /** Somebody has said that it is to be tried all the same. */
  readonly again?: true;
}

export interface UpdatesState {
  /** Seconds since 1970 of the last look, whatever came of it. */
  readonly lookedAt?: Seconds;
  /** Which source and channel that were. */
  readonly lookedFor?: string;
  /** Of looking. */
  readonly lookFailure?: UpdateFailure;
  /** 0 … 1, made anew with each look: how much later than the others this machine looks. */
  readonly chance: number;
  /** What the channel names, as the last look that came to an end found it. */
  readonly release?: KnownRelease;
  /** Of bringing a release here. */
  readonly failure?: UpdateFailure & { readonly image: string };
  /** Oldest first. */
  readonly left: readonly LeftRelease[];
  /** Nothing is taken, until somebody resumes or the time has come. */
  readonly paused?: { readonly at: Seconds; readonly until?: Seconds; readonly by: string; readonly reason?: string };
  /** This image is to be applied now, whatever its time. */
  readonly told?: { readonly image: string; readonly at: Seconds };
  /** What was staged: how long it takes is measured from there, in seconds since the kernel's start, since the other clock may be set; and what staging took. */
  readonly began?: { readonly image: string; readonly uptime: Seconds; readonly spent?: Seconds };
  /** From staging the last update to a healthy machine. */
  readonly took?: Seconds;
  /** Of the fleet: `held`, or `unsure` whether it still is. */
  readonly lock?: "held" | "unsure";
  /** Of taking it, or of giving it back. */
  readonly lockFailure?: UpdateFailure;
}

export const EMPTY_UPDATES: UpdatesState = { chance: 0, left: [] };

/** Capacity of one of the two files. */
const SIZE: Bytes = 32 * 1024;
const KIND: NumberedKind = { name: "petrify-updates", format: 1, size: SIZE };
/** Older ones are forgotten: the newest release of a channel is not among them. */
const MOST_LEFT = 16;

export type DecodedUpdates =
  | { readonly is: "whole"; readonly sequence: number; readonly value: UpdatesState }
  /** Undamaged, of newer software: left alone. */
  | { readonly is: "newer"; readonly sequence: number }
  | { readonly is: "unreadable" };

/** The oldest releases that were left are forgotten where there is no room for them. */
export function encodeUpdatesState(state: UpdatesState, sequence: number): Uint8Array {
  for (let left = state.left.slice(-MOST_LEFT); ; left = left.slice(1)) {
    const bytes = encodeNumbered(KIND, sequence, asciiJson({ ...state, left }));
    if (bytes) return bytes;
    if (left.length === 0) throw new RangeError("the state of updates is too large");
  }
}

/** Never throws: whatever is not certainly such a state is `unreadable`. */
export function decodeUpdatesState(bytes: Uint8Array): DecodedUpdates {
  const found = decodeNumbered(KIND, bytes);
  if (found.is !== "whole") return found;
  try {
    const value = JSON.parse(found.text) as Partial<UpdatesState>;
    return { is: "whole", sequence: found.sequence, value: { ...EMPTY_UPDATES, ...value } };
  } catch {
    return { is: "unreadable" };
  }
}
