/** What recovery does next to leave recovery. Pure. docs/concepts/recovery.md */
import { formatDuration, type Seconds } from "../core/units.ts";
import type { AgentState, RecoveryAttempts } from "../layout/agent-state.ts";
import { targetName } from "../layout/cmdline.ts";
import type { RecordFacts } from "../layout/record-change.ts";
import { otherSlot, SLOTS, type SlotName } from "../layout/slots.ts";

/** What looking at a slot came to; `unknown`: nobody could look. */
export type Finding =
  | { readonly is: "whole" }
  | { readonly is: "empty" }
  | { readonly is: "damaged"; readonly why: string }
  /** The partition can be read, and has no place for an image: nothing can be written there before it is made anew. */
  | { readonly is: "lost"; readonly why: string }
  | { readonly is: "unknown"; readonly why: string };
export type Findings = Readonly<Record<SlotName, Finding>>;

export interface RecoverySituation {
  /** Somebody asked for this boot of recovery. */
  readonly asked: boolean;
  readonly found: RecordFacts["found"];
  /** An operation has work to do. */
  readonly busy: boolean;
  /** So far. */
  readonly attempts: RecoveryAttempts;
  /** Milliseconds since the kernel's start from which the next wait counts. */
  readonly since: number;
  /** Milliseconds since the kernel's start. */
  readonly uptime: number;
  /** How long to wait before each attempt; the last one repeats. */
  readonly afterSeconds: readonly Seconds[];
  /** Of this attempt, once the slots have been looked at. */
  readonly findings: Findings | undefined;
  /** Why the state partition has been made anew during this boot; absent when it has not. */
  readonly remade?: string | undefined;
}

export type RecoveryStep =
  /** For good: until somebody does something, or restarts. */
  | { readonly do: "rest"; readonly why: string }
  | { readonly do: "stand-by" }
  | { readonly do: "wait"; readonly untilMs: number; readonly attempt: number }
  | { readonly do: "verify" }
  | { readonly do: "renew-record"; readonly whole: readonly SlotName[] }
  | { readonly do: "give-back"; readonly slot: SlotName }
  /** The file system with both slots is made anew. */
  | { readonly do: "remake-store"; readonly why: string }
  | { readonly do: "re-install"; readonly target: SlotName; readonly cause: string }
  /** Until the next attempt. */
  | { readonly do: "give-up"; readonly why: string };

export function nextStep(situation: RecoverySituation): RecoveryStep {
  const { asked, found, busy, attempts, since, uptime, findings } = situation;
  if (asked) return { do: "rest", why: "it stays, because somebody asked for it" };
  if (found.is === "newer") {
    return { do: "rest", why: "it stays, because the boot record was written by newer software" };
  }
  if (busy) return { do: "stand-by" };
  const untilMs = since + waitBefore(situation) * 1000;
  if (!findings) return uptime < untilMs ? { do: "wait", untilMs, attempt: attempts.count + 1 } : { do: "verify" };
  const whole = SLOTS.filter((slot) => findings[slot].is === "whole");
  if (found.is === "unreadable") return { do: "renew-record", whole };
  return wayOut(found.record.active, findings, situation);
}

const waitBefore = ({ attempts, afterSeconds }: RecoverySituation): Seconds =>
  afterSeconds[Math.min(attempts.count, afterSeconds.length - 1)]!;

/**
 * A whole slot, the active one first. One that had its tries the last time and came back has its turn after everything else: a whole image need not
 * start, and the other slot may. What is whole is never written to, nor is the file system that it is in made anew, nor one that may hold such an image.
 */
function wayOut(active: SlotName, findings: Findings, { attempts: { slot: last }, remade }: RecoverySituation): RecoveryStep {
  const inTurn = [active, otherSlot(active)];
  const whole = inTurn.filter((slot) => findings[slot].is === "whole");
  const useless = inTurn.filter((slot) => findings[slot].is === "damaged" || findings[slot].is === "empty");
  const fresh = whole.find((slot) => slot !== last);
  if (fresh) return { do: "give-back", slot: fresh };
  const why = inTurn.flatMap((slot) => {
    const finding = findings[slot];
    return finding.is === "lost" ? [finding.why] : [];
  })[0];
  const isKnown = inTurn.every((slot) => findings[slot].is !== "unknown");
  if (why !== undefined && whole.length === 0 && isKnown) return { do: "remake-store", why };
  const target = useless.find((slot) => slot !== last) ?? useless[0];
  if (target) {
    const none = remade === undefined ? "no slot is whole" : `the state partition was lost: ${remade}`;
    return { do: "re-install", target, cause: whole[0] ? `${targetName(whole[0])} is whole, and does not start` : none };
  }
  if (whole[0]) return { do: "give-back", slot: whole[0] };
  if (why === undefined) return { do: "give-up", why: "neither slot can be looked at, so neither is written to" };
  const unknown = inTurn.find((slot) => findings[slot].is === "unknown")!;
  return { do: "give-up", why: `${targetName(unknown)} cannot be looked at, so the state partition is not made anew` };
}

/** One line: what it does or waits for. */
export function stepText(step: RecoveryStep): string {
  switch (step.do) {
    case "wait": {
      const until = formatDuration(Math.round(step.untilMs / 1000));
      return `waits until ${until} after the start of this boot, then verifies the slots (attempt ${step.attempt})`;
    }
    case "rest":
    case "give-up":
      return step.why;
    case "stand-by":
      return "an operation is under way";
    case "verify":
      return "verifying the slots";
    case "renew-record":
      return "making the boot record anew";
    case "give-back":
      return `${targetName(step.slot)} is whole: it has its tries again, and boots`;
    case "remake-store":
      return `the state partition is lost (${step.why}): making it anew`;
    case "re-install":
      return `re-installing ${targetName(step.target)} from recovery's own image: ${step.cause}`;
  }
}

/** `whole`, `damaged: block 7`. */
export function findingText(finding: Finding): string {
  if (finding.is === "damaged" || finding.is === "lost") return `${finding.is}: ${finding.why}`;
  return finding.is === "unknown" ? `cannot be looked at: ${finding.why}` : finding.is;
}

/** A slot is healthy: the next time recovery is needed, it begins with its shortest wait. */
export function forgetAttempts(state: AgentState): AgentState {
  const { recovery: _, ...rest } = state;
  return rest;
}
