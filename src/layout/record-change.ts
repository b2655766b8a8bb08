/** @portable What becomes of the boot record while a slot runs. Rules: docs/concepts/boot.md */
import { EMPTY_KERNEL_ARGS, NO_KERNEL_ARGS, sameKernelArgs, type KernelArgs, type StoredKernelArgs } from "./kernel-args.ts";
import type { BootRecord, FoundRecord } from "./record.ts";
import { FULL_TRIES, otherSlot, SLOTS, type BootTarget, type RecoveryFile, type SlotName } from "./slots.ts";
import type { Tries } from "./tries.ts";

/** What is to be written, the record first; what is absent stays as it is. */
export interface RecordChange {
  readonly record?: BootRecord;
  readonly tries?: Tries;
  readonly args?: StoredKernelArgs;
}

/** What both halves say. */
export interface RecordFacts {
  readonly found: FoundRecord["newest"];
  /** `undefined` when unreadable. */
  readonly tries: Tries | undefined;
  /** Absent where neither copy is readable: of a disk whose loader knows of none. */
  readonly args?: StoredKernelArgs | undefined;
}

/** A proven slot has all its tries again as soon as the agent runs: no number of cut boots makes a machine leave it. */
export function restoreTries(running: BootTarget | "ram", { found, tries }: RecordFacts): RecordChange {
  if (running === "recovery" || running === "ram" || found.is !== "whole") return {};
  if (found.record.slots[running].state !== "proven") return {};
  return changedTries(found.record, running, tries);
}

/**
 * A slot that has passed its health checks is proven and has all its tries again. What is to be booted next is not touched.
 *
 * A record that is unreadable is made anew: the running slot is what is known to be good, and the other one may be tried.
 */
export function commitBoot(running: BootTarget | "ram", { found, tries }: RecordFacts): RecordChange {
  if (running === "recovery" || running === "ram" || found.is === "newer") return {}; // recovery proves nothing; newer state is left alone
  const record = found.is === "whole" ? proven(found.record, running) : freshRecord(running);
  return {
    ...(found.is === "whole" && found.record === record ? {} : { record }),
    ...changedTries(record, running, tries),
  };
}

/** A slot that is known to be damaged is not booted again, nor is it the active one if the other slot is proven. */
export function markBad(slot: SlotName, { found, tries }: RecordFacts): RecordChange {
  if (found.is !== "whole") return {};
  const { record } = found;
  const other = otherSlot(slot);
  const active = record.slots[other].state === "proven" ? other : record.active;
  const isBad = record.slots[slot].state === "bad" && record.active === active;
  const slots = { ...record.slots, [slot]: { ...record.slots[slot], state: "bad" } } as BootRecord["slots"];
  return {
    ...(isBad ? {} : { record: { ...record, active, slots } }),
    ...(tries && tries[slot] === 0 ? {} : { tries: { ...triesOr(tries, { ...record, slots }), [slot]: 0 } }),
  };
}

/**
 * Before the first byte of an image is written to a slot: whatever comes of it, nothing boots from there. The other slot becomes the active one.
 *
 * An unreadable record is not made anew: nothing would say that the other slot is proven.
 */
export function markEmpty(slot: SlotName, { found, tries }: RecordFacts): RecordChange {
  if (found.is !== "whole") return {};
  const { record } = found;
  const slots = { ...record.slots, [slot]: { state: "empty" } } as BootRecord["slots"];
  const wanted: BootRecord = { ...record, active: otherSlot(slot), slots };
  const isEmpty = record.slots[slot].state === "empty" && record.slots[slot].digest === undefined;
  const withoutNext = tries && withoutTarget(tries, slot);
  return {
    ...(isEmpty && record.active === wanted.active ? {} : { record: wanted }),
    ...(withoutNext && withoutNext[slot] === 0 && withoutNext.next === tries.next
      ? {}
      : { tries: { ...(withoutNext ?? fullTries(wanted)), [slot]: 0 } }),
  };
}

/** Before the file system that holds both slots is made anew: nothing boots from there. What is to be booted once, and is not in it, stays. */
export function markBothEmpty({ found, tries }: RecordFacts): RecordChange {
  if (found.is !== "whole") return {};
  const { slots } = found.record;
  const isEmpty = SLOTS.every((slot) => slots[slot].state === "empty" && slots[slot].digest === undefined);
  const wanted: Tries = { a: 0, b: 0, ...(tries?.next === "recovery" ? { next: tries.next } : {}) };
  return {
    ...(isEmpty ? {} : { record: { ...found.record, slots: { a: { state: "empty" }, b: { state: "empty" } } } }),
    ...(tries && tries.a === 0 && tries.b === 0 && tries.next === wanted.next ? {} : { tries: wanted }),
  };
}

/**
 * First half of booting a slot that was not the active one: its tries. While it is still empty (or passive) they mean nothing, so a power cut before
 * {@link activate} leaves the machine as it was; the other way round it would leave a slot that is active and never tried.
 */
export function grantTries(slot: SlotName, state: "trial" | "proven", { found, tries }: RecordFacts): RecordChange {
  if (found.is !== "whole") return {};
  return { tries: { ...triesOr(tries, found.record), [slot]: FULL_TRIES[state] } };
}

/** Before it: what the slot boots with, beyond its image's words. What is on trial on it is over. Nothing where the disk's loader knows of none. */
export function giveArgs(slot: SlotName, args: KernelArgs, { args: stored }: RecordFacts): RecordChange {
  if (!stored) return {};
  const { trial, slots } = stored;
  const isThere = sameKernelArgs(slots[slot], args) && trial?.slot !== slot;
  return isThere ? {} : { args: { slots: { ...slots, [slot]: args }, ...(trial && trial.slot !== slot ? { trial } : {}) } };
}

/** Second half: the slot is the active one, from the next boot on. @param digest of the image that it has */
export function activate(slot: SlotName, state: "trial" | "proven", digest: string, { found }: RecordFacts): RecordChange {
  if (found.is !== "whole") return {};
  const { record } = found;
  return { record: { ...record, active: slot, slots: { ...record.slots, [slot]: { state, digest } } } };
}

/** Booted once instead of the active slot, or no longer. */
export function askNext(next: BootTarget | undefined, { found, tries }: RecordFacts): RecordChange {
  if (found.is !== "whole" || (tries && tries.next === next)) return {};
  const { next: _, ...left } = triesOr(tries, found.record);
  return { tries: { ...left, ...(next ? { next } : {}) } };
}

/** A slot is not booted any more, though nothing is known to be damaged: somebody left it. */
export function takeTries(slot: SlotName, { found, tries }: RecordFacts): RecordChange {
  if (found.is !== "whole" || (tries && tries[slot] === 0)) return {};
  return { tries: { ...triesOr(tries, found.record), [slot]: 0 } };
}

/** The recovery file that is tried first. */
export function switchRecovery(file: RecoveryFile, { found }: RecordFacts): RecordChange {
  return found.is !== "whole" || found.record.recovery === file ? {} : { record: { ...found.record, recovery: file } };
}

/**
 * From recovery: a slot that has been found whole is the active one, with all its tries. It stays what it was; one that was marked bad is on trial now.
 *
 * A cut between the two halves leaves an active slot without tries, and so recovery again.
 */
export function giveBack(slot: SlotName, { found, tries }: RecordFacts): RecordChange {
  if (found.is !== "whole" || found.record.slots[slot].state === "empty") return {};
  const { record } = found;
  const { state } = record.slots[slot];
  const slots = { ...record.slots, [slot]: { ...record.slots[slot], state: state === "bad" ? "trial" : state } };
  const wanted: BootRecord = { ...record, active: slot, slots };
  return {
    ...(state !== "bad" && record.active === slot ? {} : { record: wanted }),
    ...changedTries(wanted, slot, tries),
  };
}

/**
 * From recovery, which proves nothing: a record that is unreadable is made anew, with the slots that have been found whole on trial, and the other ones
 * empty. One that is readable, or newer, is left alone.
 *
 * @param current the recovery file that runs
 */
export function renewRecord(whole: readonly SlotName[], current: RecoveryFile, { found }: RecordFacts): RecordChange {
  if (found.is !== "unreadable") return {};
  const slot = (name: SlotName): BootRecord["slots"]["a"] => ({ state: whole.includes(name) ? "trial" : "empty" });
  const record: BootRecord = { active: whole[0] ?? "a", slots: { a: slot("a"), b: slot("b") }, recovery: current };
  // What was to be booted once was asked for under another record.
  return { record, tries: fullTries(record) };
}

/** The loader has left an active slot that did not pass its trial: what runs instead, and is proven, is the active one from now on. */
export function settleFallback(running: BootTarget | "ram", { found, tries }: RecordFacts): RecordChange {
  if (running === "recovery" || running === "ram" || found.is !== "whole") return {};
  const { record } = found;
  const other = otherSlot(running);
  const isOver = record.active === other && record.slots[other].state === "trial" && tries?.[other] === 0;
  return isOver && record.slots[running].state === "proven" ? { record: { ...record, active: running } } : {};
}

/**
 * Before a reset: nothing boots but recovery, whatever becomes of the rest. An unreadable record is made anew for it.
 *
 * @param current the recovery file that runs
 */
export function closeSlots(current: RecoveryFile, facts: RecordFacts): RecordChange {
  if (facts.found.is !== "unreadable") return markBothEmpty(facts);
  return {
    record: { active: "a", slots: { a: { state: "empty" }, b: { state: "empty" } }, recovery: current },
    tries: { a: 0, b: 0 },
  };
}

/**
 * The end of a reset, first half: the tries of both slots. While they are empty these mean nothing; the other way round, a power cut between the two would
 * leave slots that are never tried.
 */
export function grantBoth({ found, tries }: RecordFacts): RecordChange {
  if (found.is !== "whole") return {};
  const { trial } = FULL_TRIES;
  return tries && tries.a === trial && tries.b === trial && !tries.next ? {} : { tries: { a: trial, b: trial } };
}

/** Of a machine whose config goes. While both slots are empty nothing boots with them. */
export function forgetArgs({ args }: RecordFacts): RecordChange {
  const isEmpty = args && !args.trial && SLOTS.every((slot) => sameKernelArgs(args.slots[slot], NO_KERNEL_ARGS));
  return !args || isEmpty ? {} : { args: EMPTY_KERNEL_ARGS };
}

/** Second half: slot a is the active one. Both are on trial: nobody has seen either of them healthy. @param digest of the image that both have */
export function openSlots(digest: string, { found }: RecordFacts): RecordChange {
  if (found.is !== "whole") return {};
  const { active, slots } = found.record;
  const isDone = active === "a" && SLOTS.every((slot) => slots[slot].state === "trial" && slots[slot].digest === digest);
  const slot = { state: "trial", digest } as const;
  return isDone ? {} : { record: { ...found.record, active: "a", slots: { a: slot, b: slot } } };
}

function changedTries(record: BootRecord, running: SlotName, tries: Tries | undefined): Pick<RecordChange, "tries"> {
  const full = FULL_TRIES[record.slots[running].state];
  return tries && tries[running] === full ? {} : { tries: { ...triesOr(tries, record), [running]: full } };
}

/** What the slots have before any boot. */
export const fullTries = ({ slots }: BootRecord): Tries => ({ a: FULL_TRIES[slots.a.state], b: FULL_TRIES[slots.b.state] });

/** What is to be booted once is not that slot. */
function withoutTarget({ next, ...left }: Tries, slot: SlotName): Tries {
  return { ...left, ...(next && next !== slot ? { next } : {}) };
}

/** Unreadable ones are made anew, by the slots' states. */
const triesOr = (tries: Tries | undefined, record: BootRecord): Tries => tries ?? fullTries(record);

/** The same record when there is nothing to change. */
function proven(record: BootRecord, running: SlotName): BootRecord {
  const slot = record.slots[running];
  if (slot.state !== "trial") return record;
  return { ...record, slots: { ...record.slots, [running]: { ...slot, state: "proven" } } };
}

const freshRecord = (running: SlotName): BootRecord => ({
  active: running,
  slots: { a: { state: "trial" }, b: { state: "trial" }, [running]: { state: "proven" } },
  recovery: 1,
});
