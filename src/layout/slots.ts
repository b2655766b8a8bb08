/** @portable The words of the boot record: slots, their states, how many tries each state has. */

/** A place on the disk that holds one system image. Names are fixed; which one is active is written in the boot record. */
export const SLOTS = ["a", "b"] as const;
export type SlotName = (typeof SLOTS)[number];
export const otherSlot = (slot: SlotName): SlotName => (slot === "a" ? "b" : "a");

/** What can be booted. */
export const BOOT_TARGETS = ["a", "b", "recovery"] as const;
export type BootTarget = (typeof BOOT_TARGETS)[number];

/** `trial`: written, not yet healthy once. `proven`: has passed its health checks. `bad`: known damaged. `empty`: nothing there. */
export const SLOT_STATES = ["trial", "proven", "bad", "empty"] as const;
export type SlotState = (typeof SLOT_STATES)[number];

/** Boots the loader grants a slot before it gives it up; `bad` and `empty` are never booted. */
export const FULL_TRIES = { trial: 3, proven: 6, bad: 0, empty: 0 } as const satisfies Readonly<Record<SlotState, number>>;
/** The largest number that {@link FULL_TRIES} holds: the loader has no arithmetic and counts down by a list. */
export const MAX_TRIES = 6;

/** Which of the two files of the recovery partition. */
export type RecoveryFile = 1 | 2;
