/**
 * @portable What boots: one table, read by {@link decide} and rendered as GRUB's script (grub-script.ts). The rules in words:
 * docs/concepts/boot.md.
 */
import type { IMAGE_FILES } from "./disk.ts";
import { NO_KERNEL_ARGS, type ChosenKernelArgs, type StoredKernelArgs } from "./kernel-args.ts";
import type { BootRecord } from "./record.ts";
import { otherSlot, SLOTS, type BootTarget, type RecoveryFile, type SlotName, type SlotState } from "./slots.ts";
import type { Tries } from "./tries.ts";

/** An image file of the disk. */
export type ImageName = keyof typeof IMAGE_FILES;

/** All that the rules look at, as words: what was read at the start of this boot. A value that could not be read is empty. */
export interface BootFacts {
  readonly record: "whole" | "unreadable";
  readonly active: SlotName | "";
  readonly state_a: SlotState | "";
  readonly state_b: SlotState | "";
  readonly next: BootTarget | "";
  /** Tries left, `unknown` when the file cannot be read. */
  readonly left_a: TriesLeft;
  readonly left_b: TriesLeft;
}
export type TriesLeft = "some" | "none" | "unknown";

/** Holds when every fact named has one of its values. */
export type Condition = { readonly [Fact in keyof BootFacts]?: readonly BootFacts[Fact][] };

/**
 * One line of the table. Lines are tried in order, each at most once; a line whose target has failed its hash check in this boot is
 * passed over.
 */
export interface BootRule {
  /** Number of the rule in words. */
  readonly rule: 0 | 1 | 2 | 3 | 4 | 5;
  readonly when: Condition;
  /** Stored before the target is loaded. */
  readonly first?: "take-try" | "clear-next";
  /** When storing failed: default the line is passed over. */
  readonly unsaved?: "boot";
  /** Absent: only `first` is done. */
  readonly boot?: BootTarget;
  /** Finishes the console's sentence "slot a: …". */
  readonly because: string;
}

const left = (slot: SlotName, ...values: TriesLeft[]): Condition => ({ [`left_${slot}`]: values });
const state = (slot: SlotName, ...values: SlotState[]): Condition => ({ [`state_${slot}`]: values });

/** Without a record: whatever passes its hash check, but what has used up its tries, or never had any, comes last. */
const withoutRecord = (): readonly BootRule[] => {
  const when: Condition = { record: ["unreadable"] };
  const because = "the boot record is unreadable";
  return [
    ...SLOTS.flatMap((slot): BootRule[] => [
      { rule: 0, when: { ...when, ...left(slot, "some") }, first: "take-try", unsaved: "boot", boot: slot, because },
      { rule: 0, when: { ...when, ...left(slot, "unknown") }, boot: slot, because },
    ]),
    { rule: 0, when, boot: "recovery", because },
    ...SLOTS.map((slot): BootRule => ({ rule: 0, when, boot: slot, because })),
  ];
};

const asked = (): readonly BootRule[] => {
  const because = "asked for once";
  return [
    ...SLOTS.flatMap((slot): BootRule[] => [
      {
        rule: 1,
        when: { record: ["whole"], next: [slot], ...state(slot, "trial", "proven") },
        first: "clear-next",
        boot: slot,
        because,
      },
      {
        rule: 1,
        when: { record: ["whole"], next: [slot], ...state(slot, "bad", "empty") },
        first: "clear-next",
        because: "asked for once, but it is bad or empty",
      },
    ]),
    { rule: 1, when: { record: ["whole"], next: ["recovery"] }, first: "clear-next", boot: "recovery", because },
  ];
};

/** Rules 2 and 3 differ in whose turn it is. */
const inTurn = (rule: 2 | 3, active: SlotName): readonly BootRule[] => {
  const slot = rule === 2 ? active : otherSlot(active);
  const when: Condition = { record: ["whole"], active: [active] };
  const because = rule === 2 ? "active" : "the active slot does not boot";
  return [
    { rule, when: { ...when, ...state(slot, "trial"), ...left(slot, "some") }, first: "take-try", boot: slot, because },
    {
      rule,
      when: { ...when, ...state(slot, "proven"), ...left(slot, "some") },
      first: "take-try",
      unsaved: "boot",
      boot: slot,
      because,
    },
    { rule, when: { ...when, ...state(slot, "proven"), ...left(slot, "unknown") }, boot: slot, because },
  ];
};

/** A machine that would only reboot forever: a proven slot without tries is better. */
const lastResort = (rule: 5, active: SlotName): readonly BootRule[] =>
  [active, otherSlot(active)].map((slot): BootRule => {
    const when: Condition = { record: ["whole"], active: [active], ...state(slot, "proven"), ...left(slot, "none") };
    return { rule, when, boot: slot, because: "nothing else is left, and it was healthy once" };
  });

export const BOOT_RULES: readonly BootRule[] = [
  ...withoutRecord(),
  ...asked(),
  ...SLOTS.flatMap((active) => inTurn(2, active)),
  ...SLOTS.flatMap((active) => inTurn(3, active)),
  { rule: 4, when: { record: ["whole"] }, boot: "recovery", because: "no slot boots" },
  ...SLOTS.flatMap((active) => lastResort(5, active)),
];

/** The files of a target, in the order in which they are tried. */
export function imagesOf(target: BootTarget, currentRecovery: RecoveryFile): readonly ImageName[] {
  if (target !== "recovery") return [target];
  return currentRecovery === 2 ? ["recovery2", "recovery1"] : ["recovery1", "recovery2"];
}

/** What a boot starts from. */
export interface BootSituation {
  /** `undefined`: neither copy is readable, or the newest is of a newer format. */
  readonly record: BootRecord | undefined;
  readonly tries: Tries | undefined;
  /** Absent where neither copy is readable. */
  readonly args?: StoredKernelArgs | undefined;
  /** Which images pass the check of their boot files. */
  readonly whole: Readonly<Record<ImageName, boolean>>;
  /** Whether the loader can store tries. */
  readonly saves: boolean;
}
/** What the loader does, in order. */
export interface BootDecision {
  readonly attempts: readonly { readonly rule: BootRule["rule"]; readonly target: BootTarget; readonly image: ImageName }[];
  /** The image of the last attempt, or `undefined`: a message, and a reboot. */
  readonly boots: ImageName | undefined;
  /** What that boot is given beyond its image's words. */
  readonly args: ChosenKernelArgs;
  /** As stored afterwards. */
  readonly tries: Tries | undefined;
}

export function decide({ record, tries, args, whole, saves }: BootSituation): BootDecision {
  const facts = bootFacts(record, tries);
  const attempts: BootDecision["attempts"][number][] = [];
  const failed = new Set<BootTarget>();
  let now = tries;
  for (const { rule, when, first, unsaved, boot } of BOOT_RULES) {
    if (!holds(when, facts) || (boot && failed.has(boot))) continue;
    if (first && now) {
      if (saves) now = first === "take-try" ? takeTry(now, boot) : withoutNext(now);
      else if (unsaved !== "boot") continue;
    }
    if (!boot) continue;
    for (const image of imagesOf(boot, record?.recovery ?? 1)) {
      attempts.push({ rule, target: boot, image });
      if (whole[image]) return { attempts, boots: image, ...chooseArgs(boot, { record, args, tries: now, saves }) };
    }
    failed.add(boot);
  }
  return { attempts, boots: undefined, args: NO_KERNEL_ARGS, tries: now };
}

/**
 * What a slot is given that is about to be booted: what is tried on it while that has tries left and the slot is proven, for only one thing is on trial at
 * a time; else what it has always. Nothing for recovery.
 */
function chooseArgs(
  target: BootTarget,
  { record, args, tries, saves }: Pick<BootSituation, "record" | "args" | "tries" | "saves">,
): Pick<BootDecision, "args" | "tries"> {
  if (target === "recovery" || !args) return { args: NO_KERNEL_ARGS, tries };
  const { trial } = args;
  if (trial?.slot !== target || record?.slots[target].state !== "proven" || !tries?.args || !saves)
    return { args: args.slots[target], tries };
  const { append, remove, id } = trial;
  const { args: granted, ...others } = tries;
  return { args: { append, remove, trial: id }, tries: { ...others, ...(granted > 1 ? { args: granted - 1 } : {}) } };
}

export function bootFacts(record: BootRecord | undefined, tries: Tries | undefined): BootFacts {
  const triesLeft = (slot: SlotName): TriesLeft => (tries ? (tries[slot] > 0 ? "some" : "none") : "unknown");
  return {
    record: record ? "whole" : "unreadable",
    active: record?.active ?? "",
    state_a: record?.slots.a.state ?? "",
    state_b: record?.slots.b.state ?? "",
    next: tries?.next ?? "",
    left_a: triesLeft("a"),
    left_b: triesLeft("b"),
  };
}

const holds = (when: Condition, facts: BootFacts): boolean =>
  Object.entries(when).every(([fact, values]) => (values as readonly string[]).includes(facts[fact as keyof BootFacts]));

function withoutNext(tries: Tries): Tries {
  const { next: _, ...others } = tries;
  return others;
}
const takeTry = (tries: Tries, boot: BootTarget | undefined): Tries =>
  boot === "a" || boot === "b" ? { ...tries, [boot]: tries[boot] - 1 } : tries;
