/** Which image is to be verified now, and what follows from the result. Pure. docs/concepts/agent.md */
import type { AgentState, ScrubResult } from "../layout/agent-state.ts";
import type { RecordFacts } from "../layout/record-change.ts";
import { otherSlot, SLOTS, type BootTarget, type SlotName } from "../layout/slots.ts";
import { unexpectedEnds } from "./boot-history.ts";

export type Verifiable = SlotName | "recovery";
export const VERIFIABLE: readonly Verifiable[] = [...SLOTS, "recovery"];

export interface Verification {
  readonly image: Verifiable;
  /** Of its manifest, as the boot record has it; absent of recovery, and of a record without one. */
  readonly digest?: string;
  /** Data blocks that are known to be whole: a verification that was cut goes on there. */
  readonly from: number;
  /** `idle`: only when nobody else wants the disk or the processor. */
  readonly priority: "urgent" | "idle";
}

/** Seconds between two scrubs of an image. */
export const SCRUB_INTERVAL = 30 * 24 * 3600;
/** So many unexpected ends in a day, and the slot is looked at: a damaged block restarts the machine without a word. */
const SUSPICIOUS_ENDS = 3;

export interface VerificationSituation {
  readonly state: AgentState;
  readonly record: RecordFacts;
  readonly running: BootTarget | "ram";
  /** Seconds since 1970. */
  readonly now: number;
  /** Asked for by a person, or because a boot of it failed without a log. */
  readonly asked: ReadonlySet<Verifiable>;
  /** 0 … 1, the machine's own: a fleet does not scrub in one night. */
  readonly jitter: number;
}

/** Nothing when nothing is due. */
export function nextVerification(situation: VerificationSituation): Verification | undefined {
  const { state, record, running, now, asked, jitter } = situation;
  const slots = record.found.is === "whole" ? record.found.record.slots : undefined;
  const verification = (image: Verifiable, priority: Verification["priority"]): Verification => {
    const digest = image === "recovery" ? undefined : slots?.[image].digest;
    const cut = state.verifying?.slot === image && state.verifying.digest === (digest ?? "") ? state.verifying.blocks : 0;
    return { image, ...(digest ? { digest } : {}), from: cut, priority };
  };
  const exists = (image: Verifiable): boolean =>
    image === "recovery" || !slots || slots[image].state === "trial" || slots[image].state === "proven";
  const isEmpty = (image: Verifiable): boolean => image !== "recovery" && slots?.[image].state === "empty";
  if (running === "ram") return undefined;
  if (running !== "recovery" && isSuspicious(state, running, now)) return verification(running, "urgent");
  const wanted = VERIFIABLE.find((image) => asked.has(image) && !isEmpty(image));
  if (wanted) return verification(wanted, "urgent");
  const due = VERIFIABLE.find((image) => {
    const last = state.scrubs[image]?.at ?? state.since ?? now;
    return exists(image) && now >= last + SCRUB_INTERVAL * (1 + jitter);
  });
  return due && verification(due, "idle");
}

/** A slot has ended unexpectedly too often, and has not been found whole since. @param now seconds since 1970 */
export function isSuspicious(state: AgentState, running: SlotName, now: number): boolean {
  const ends = unexpectedEnds(state, running, now);
  return ends.length >= SUSPICIOUS_ENDS && (state.scrubs[running]?.at ?? 0) < ends.at(-1)!;
}

/** The damage that a verification has found and that is still there: known over restarts. */
export function knownDamage(image: Verifiable, { scrubs }: AgentState, { found }: RecordFacts): string | undefined {
  const isGone = image !== "recovery" && found.is === "whole" && found.record.slots[image].state === "empty";
  return isGone ? undefined : scrubs[image]?.damage;
}

/** What becomes of an image that is damaged. */
export type Consequence =
  /** It is marked bad; where it is what runs, the machine restarts into the other slot. */
  | { readonly do: "mark-bad"; readonly slot: SlotName; readonly restart: boolean }
  /** There is nothing better to boot. */
  | { readonly do: "alarm" };

export function consequenceOf(image: Verifiable, running: BootTarget | "ram", { found }: RecordFacts): Consequence {
  if (image === "recovery" || found.is !== "whole") return { do: "alarm" };
  if (image !== running) return { do: "mark-bad", slot: image, restart: false };
  const other = found.record.slots[otherSlot(image)].state;
  return other === "proven" ? { do: "mark-bad", slot: image, restart: true } : { do: "alarm" };
}

/** The state with a result; a verification that was cut is over. */
export function withScrub(state: AgentState, image: Verifiable, result: ScrubResult): AgentState {
  const { verifying: _, ...rest } = state;
  return { ...rest, scrubs: { ...state.scrubs, [image]: result } };
}
