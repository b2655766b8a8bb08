/** @portable What becomes of the boot record while a slot runs. Rules: docs/concepts/boot.md */
import type { BootRecord, FoundRecord } from "./record.ts";
import { FULL_TRIES, otherSlot, type BootTarget, type SlotName } from "./slots.ts";
import type { Tries } from "./tries.ts";

/** What is to be written, the record first; what is absent stays as it is. */
export interface RecordChange {
  readonly record?: BootRecord;
  readonly tries?: Tries;
}

/** What both halves say. */
export interface RecordFacts {
  readonly found: FoundRecord["newest"];
  /** `undefined` when unreadable. */
  readonly tries: Tries | undefined;
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

function changedTries(record: BootRecord, running: SlotName, tries: Tries | undefined): Pick<RecordChange, "tries"> {
  const full = FULL_TRIES[record.slots[running].state];
  return tries && tries[running] === full ? {} : { tries: { ...triesOr(tries, record), [running]: full } };
}

/** What the slots have before any boot. */
export const fullTries = ({ slots }: BootRecord): Tries => ({ a: FULL_TRIES[slots.a.state], b: FULL_TRIES[slots.b.state] });

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
