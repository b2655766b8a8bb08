/** @portable Which machine config each slot boots with, and which one this boot lays down. Format: docs/formats/generations.md */
import { KiB } from "../core/units.ts";
import { asciiJson } from "./ascii-json.ts";
import { decodeNumbered, encodeNumbered, type NumberedKind } from "./numbered-text.ts";
import { shortLine } from "./short-line.ts";
import { BOOT_TARGETS, SLOTS, type BootTarget } from "./slots.ts";

/** On the oem partition: as a running system has it, below `/oem`. */
export const CONFIG_FOLDER = "/petrify/config";
/** In a generation's folder, whose name is its number. */
export const COMPILED_NAME = "compiled";
/** Two copies, used in turn. */
export const SLOTS_NAMES = ["slots-1", "slots-2"] as const;
/** Numbers of configured users and groups: docs/formats/persistent-ids.md */
export const CONFIG_IDS_NAME = "ids";

const KIND: NumberedKind = { name: "petrify-generations", format: 1, size: 8 * KiB };
/** Where nothing says which one: only the newest are worth a look. */
const GUESSES = 3;

/** A generation's number: 1, 2, … Never used twice. */
export type GenerationNumber = number;

export interface ConfigSlots {
  readonly slots: { readonly [target in BootTarget]?: SlotConfig };
}
/** What a slot boots with. */
export interface SlotConfig {
  /** Absent until the first one has been applied. */
  readonly generation?: GenerationNumber;
  /** The one before, for when it cannot be read. */
  readonly before?: GenerationNumber;
  readonly trial?: ConfigTrial;
  /** The last one that was on trial and was given back, until another one is kept or tried. */
  readonly refused?: RefusedConfig;
}
/** One whose kernel arguments did not prove themselves. */
export interface RefusedConfig {
  readonly generation: GenerationNumber;
  /** When, in seconds since 1970. */
  readonly at: number;
  /** A sentence. */
  readonly reason: string;
}
/** A config that is only kept when it is confirmed. */
export interface ConfigTrial {
  /** 8 hexadecimal digits, of this trial alone. */
  readonly id: string;
  readonly generation: GenerationNumber;
  /** `live`: laid on the running system, and at no boot. `boot`: laid by the boots that try its kernel arguments, whose id is this one's. */
  readonly how: "live" | "boot";
  /** Of a live one: not confirmed by then, in seconds since 1970, the one before is laid again. */
  readonly until?: number;
}

export const NO_SLOTS: ConfigSlots = { slots: {} };

/** What one copy says. */
export type DecodedSlots =
  | { readonly is: "whole"; readonly sequence: number; readonly value: ConfigSlots }
  | { readonly is: "newer"; readonly sequence: number }
  | { readonly is: "unreadable" };
/** What both say together. */
export type FoundSlots =
  | { readonly is: "whole"; readonly slots: ConfigSlots }
  | { readonly is: "none" }
  /** One is of newer software: both are left alone. */
  | { readonly is: "newer" }
  | { readonly is: "damaged" };

/** A copy's bytes, of one size whatever it says. */
export function encodeConfigSlots(slots: ConfigSlots, sequence: number): Uint8Array {
  const bytes = encodeNumbered(KIND, sequence, asciiJson(slots));
  if (!bytes) throw new RangeError("generations of slots: too long");
  return bytes;
}

/** Never throws: whatever is not certainly a copy is `unreadable`. */
export function decodeConfigSlots(bytes: Uint8Array): DecodedSlots {
  const found = decodeNumbered(KIND, bytes);
  if (found.is !== "whole") return found;
  try {
    const value = parseSlots(JSON.parse(found.text));
    return value ? { is: "whole", sequence: found.sequence, value } : { is: "unreadable" };
  } catch {
    return { is: "unreadable" };
  }
}

/** @param copies nothing for a file that is not there */
export function foundSlots(copies: readonly (Uint8Array | undefined)[]): FoundSlots {
  const there = copies.flatMap((copy) => (copy ? [decodeConfigSlots(copy)] : []));
  if (there.length === 0) return { is: "none" };
  if (there.some(({ is }) => is === "newer")) return { is: "newer" };
  const [newest] = there.flatMap((copy) => (copy.is === "whole" ? [copy] : [])).toSorted((a, b) => b.sequence - a.sequence);
  return newest ? { is: "whole", slots: newest.value } : { is: "damaged" };
}

/** What a boot lays down: the first candidate that can be. */
export interface LayPlan {
  readonly candidates: readonly Candidate[];
  /** What is not as it should be, a sentence each. */
  readonly notes: readonly string[];
  /** Why a config has to be made once the system runs, as a few words; absent where there is nothing to make. */
  readonly wanted?: string;
}
export interface Candidate {
  readonly generation: GenerationNumber;
  /** Of the trial that this boot is. */
  readonly trial?: string;
}

/**
 * Which generations a boot tries, best first.
 *
 * @param folders numbers of the generations that are there
 * @param tried id of the trial that the loader has given this boot to
 */
export function planLaying(
  found: FoundSlots,
  target: BootTarget,
  { folders, tried }: { readonly folders: readonly GenerationNumber[]; readonly tried: string | undefined },
): LayPlan {
  const wants = (why: string): Pick<LayPlan, "wanted"> => (target === "recovery" ? {} : { wanted: why });
  if (found.is === "none") return { candidates: [], notes: [], ...wants("there is none") };
  if (found.is === "newer")
    return { candidates: [], notes: ["the machine config is of newer software: it is left alone, and not laid down"] };
  if (found.is === "damaged") {
    const newest = folders.toSorted((a, b) => b - a).slice(0, GUESSES);
    const note = "nothing tells which machine config is this slot's: both copies of that are damaged; the newest one is used";
    return { candidates: newest.map((generation) => ({ generation })), notes: [note], ...wants("damaged") };
  }
  const { slots } = found.slots;
  const own = slots[target];
  const { generation, before } = own ?? {};
  const kept = [generation, before].filter((number) => number !== undefined);
  const trial = own?.trial?.how === "boot" && own.trial.id === tried ? own.trial : undefined;
  const candidates: Candidate[] = [
    ...(trial ? [{ generation: trial.generation, trial: trial.id }] : []),
    ...(kept.length > 0 ? kept : others(found.slots, target)).map((number) => ({ generation: number })),
  ];
  return { candidates, notes: [], ...(generation === undefined && !trial ? wants("there is none of this slot") : {}) };
}

/** What other slots boot with, newest first: better than none. */
function others({ slots }: ConfigSlots, target: BootTarget): GenerationNumber[] {
  const numbers = SLOTS.flatMap((name) => (name === target ? [] : [slots[name]?.generation])).filter((n) => n !== undefined);
  return [...new Set(numbers)].toSorted((a, b) => b - a);
}

/** A slot boots with another one from now on; a trial of it is over. */
export const keepGeneration = (old: ConfigSlots, target: BootTarget, generation: GenerationNumber): ConfigSlots => {
  const now: SlotConfig = old.slots[target] ?? {};
  const last = now.generation === generation ? now.before : now.generation;
  return withSlot(old, target, { generation, ...(last === undefined ? {} : { before: last }) });
};

/** A config is tried; what the slot boots with stays. */
export const beginTrial = (old: ConfigSlots, target: BootTarget, trial: ConfigTrial): ConfigSlots => {
  const { refused: _, ...slot }: SlotConfig = old.slots[target] ?? {};
  return withSlot(old, target, { ...slot, trial });
};

/** The config on trial is kept; nothing changes where there is none. */
export function confirmTrial(old: ConfigSlots, target: BootTarget): ConfigSlots {
  const trial = old.slots[target]?.trial;
  return trial ? keepGeneration(old, target, trial.generation) : old;
}

/** The config on trial is not kept. */
export function endTrial(old: ConfigSlots, target: BootTarget): ConfigSlots {
  const { trial, ...slot }: SlotConfig = old.slots[target] ?? {};
  return trial ? withSlot(old, target, slot) : old;
}

/** The same, and it is remembered why. @param trial its id: another one's slot stays as it is */
export function refuseTrial(
  old: ConfigSlots,
  target: BootTarget,
  { trial, at, reason }: { readonly trial: string; readonly at: number; readonly reason: string },
): ConfigSlots {
  const { trial: over, ...slot }: SlotConfig = old.slots[target] ?? {};
  if (over?.id !== trial) return old;
  return withSlot(old, target, { ...slot, refused: { generation: over.generation, at, reason: shortLine(reason) } });
}

/** Every generation that something refers to. */
export const generationsInUse = ({ slots }: ConfigSlots): ReadonlySet<GenerationNumber> =>
  new Set(
    Object.values(slots)
      .flatMap(({ generation, before, trial }) => [generation, before, trial?.generation])
      .filter((number) => number !== undefined),
  );

/** The number that a folder's name says, if it is one of a generation. */
export const generationOf = (name: string): GenerationNumber | undefined =>
  /^[1-9]\d{0,8}$/.test(name) ? Number(name) : undefined;

const withSlot = ({ slots }: ConfigSlots, target: BootTarget, slot: SlotConfig): ConfigSlots => ({
  slots: { ...slots, [target]: slot },
});

type Fields = Readonly<Record<string, unknown>>;
const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null && !Array.isArray(value);
const isNumber = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0;

/** Nothing for what cannot be one; keys that are not known are left out. */
function parseSlots(value: unknown): ConfigSlots | undefined {
  const slots: { [target in BootTarget]?: SlotConfig } = {};
  if (!isFields(value) || !isFields(value["slots"])) return undefined;
  for (const target of BOOT_TARGETS) {
    const given = value["slots"][target];
    if (given === undefined) continue;
    const slot = parseSlot(given);
    if (!slot) return undefined;
    slots[target] = slot;
  }
  return { slots };
}

function parseSlot(value: unknown): SlotConfig | undefined {
  if (!isFields(value)) return undefined;
  const { generation, before, trial, refused } = value;
  if ([generation, before].some((number) => number !== undefined && !isNumber(number))) return undefined;
  const known = trial === undefined ? undefined : parseTrial(trial);
  if (trial !== undefined && !known) return undefined;
  return {
    ...(isNumber(generation) ? { generation } : {}),
    ...(isNumber(before) ? { before } : {}),
    ...(known ? { trial: known } : {}),
    ...(isRefused(refused) ? { refused: { generation: refused.generation, at: refused.at, reason: refused.reason } } : {}),
  };
}

const isRefused = (value: unknown): value is RefusedConfig =>
  isFields(value) && isNumber(value["generation"]) && isNumber(value["at"]) && typeof value["reason"] === "string";

function parseTrial(value: unknown): ConfigTrial | undefined {
  if (!isFields(value)) return undefined;
  const { id, generation, how, until } = value;
  if (typeof id !== "string" || !/^[0-9a-f]{8}$/.test(id) || !isNumber(generation)) return undefined;
  if (how !== "live" && how !== "boot") return undefined;
  if (until !== undefined && !isNumber(until)) return undefined;
  return { id, generation, how, ...(until === undefined ? {} : { until }) };
}
