import assert from "node:assert/strict";
import { test } from "node:test";
import { decide } from "../../layout/boot-rules.ts";
import {
  beginTrial,
  confirmTrial,
  endTrial,
  keepGeneration,
  NO_SLOTS,
  planLaying,
  refuseTrial,
  type ConfigSlots,
} from "../../layout/generations.ts";
import { EMPTY_KERNEL_ARGS, NO_KERNEL_ARGS, type KernelArgs, type StoredKernelArgs } from "../../layout/kernel-args.ts";
import type { BootRecord } from "../../layout/record.ts";
import type { Tries } from "../../layout/tries.ts";
import { isArgsTrial, nextKernelArgsStep, type KernelArgsFacts, type WantedKernelArgs } from "./kernel-args-step.ts";

const ID = "0123abcd";
const OLD: KernelArgs = { append: ["old"], remove: [] };
const NEW: KernelArgs = { append: ["new"], remove: ["quiet"] };
const kept: StoredKernelArgs = { slots: { a: OLD, b: NO_KERNEL_ARGS } };
const told: StoredKernelArgs = { ...kept, trial: { id: ID, slot: "a", ...NEW } };
const own: WantedKernelArgs = { own: OLD, generation: 1 };
const trial = { id: ID, generation: 2, args: NEW };
const before: KernelArgsFacts = {
  ...{ slot: "a", wanted: own, stored: kept, tries: { a: 6, b: 6 }, booted: undefined, laid: 1 },
};
const waits: KernelArgsFacts = { ...before, wanted: { ...own, trial }, stored: told, tries: { a: 6, b: 6, args: 3 } };
const nothing = { do: "nothing" } as const;

const rows: readonly [what: string, facts: Partial<KernelArgsFacts>, step: ReturnType<typeof nextKernelArgsStep>][] = [
  ["nothing is on trial", { ...before }, nothing],
  ["a trial has begun: its tries come first", { stored: kept, tries: { a: 6, b: 6 } }, { do: "grant" }],
  ["then what they are for", { stored: kept }, { do: "store", args: told }],
  ["it waits for a boot", {}, nothing],
  ["it waits for one, after another has failed", { tries: { a: 3, b: 6, args: 1 } }, nothing],
  ["this boot is the trial", { booted: ID, laid: 2 }, nothing],
  [
    "no boot came up",
    { tries: { a: 6, b: 6 } },
    { do: "refuse", id: ID, reason: "the machine did not come up with its kernel arguments" },
  ],
  ["nobody knows how many are left", { tries: undefined }, nothing],
  [
    "its config was not laid",
    { booted: ID },
    { do: "refuse", id: ID, reason: "it could not be laid when its kernel arguments were tried" },
  ],
  [
    "its config cannot be read",
    { wanted: { ...own, trial: { id: ID, generation: 2 } } },
    { do: "refuse", id: ID, reason: "its kernel arguments cannot be read" },
  ],
  ["it was given back", { wanted: own }, { do: "store", args: kept }],
  [
    "it was confirmed: the slot boots with its config",
    { wanted: { own: NEW, generation: 2 }, booted: ID, laid: 2 },
    { do: "store", args: { slots: { ...kept.slots, a: NEW } } },
  ],
  [
    "one of the slot's own config was given back",
    { wanted: { own: NEW, generation: 2, refused: { generation: 2, at: 1, reason: "no" } } },
    { do: "store", args: kept },
  ],
  ["another one has begun", { wanted: { ...own, trial: { ...trial, id: "ffffffff" } } }, { do: "store", args: kept }],
  [
    "the other slot's is over as soon as this one runs",
    { slot: "b", wanted: { own: NEW, generation: 2 } },
    { do: "store", args: kept },
  ],
];
for (const [what, facts, step] of rows)
  test(`kernel arguments: ${what}`, () => assert.deepEqual(nextKernelArgsStep({ ...waits, ...facts }), step));

// --- a machine whose power is cut at each write ----------------------------------------------------------------------------

class PowerCut extends Error {}
const record: BootRecord = { active: "a", slots: { a: { state: "proven" }, b: { state: "proven" } }, recovery: 1 };
const whole = { a: true, b: true, recovery1: true, recovery2: true };
/** Of each generation. */
const ARGS: Readonly<Record<number, KernelArgs>> = { 1: OLD, 2: NEW };
type Fate = "good" | "sick" | "dead";

interface Disk {
  slots: ConfigSlots;
  stored: StoredKernelArgs;
  tries: Tries;
}

/** @param cut the write that the power goes before; counted from when the config is applied @returns the boots that it took, and how many writes */
function life(fate: Fate, cut: number): { readonly disk: Disk; readonly boots: number; readonly writes: number } {
  const disk: Disk = {
    slots: keepGeneration(NO_SLOTS, "a", 1),
    stored: { slots: { ...EMPTY_KERNEL_ARGS.slots, a: OLD } },
    tries: { a: 6, b: 6 },
  };
  let writes = 0;
  const write = (change: Partial<Disk>): void => {
    if (writes++ === cut) throw new PowerCut();
    Object.assign(disk, change);
  };
  const factsOf = (booted: string | undefined, laid: number | undefined): KernelArgsFacts => {
    const { generation, trial: on, refused } = disk.slots.slots.a ?? {};
    const wanted = {
      ...(generation === undefined ? {} : { generation, own: ARGS[generation]! }),
      ...(on ? { trial: { id: on.id, generation: on.generation, args: ARGS[on.generation]! } } : {}),
      ...(refused ? { refused } : {}),
    };
    return { slot: "a", wanted, stored: disk.stored, tries: disk.tries, booted, laid };
  };
  const refuse = (id: string): void => write({ slots: refuseTrial(disk.slots, "a", { trial: id, at: 1, reason: "no" }) });
  const settle = (facts: () => KernelArgsFacts): void => {
    for (let steps = 0; ; steps++) {
      assert.ok(steps < 6, "it comes to an end");
      const step = nextKernelArgsStep(facts());
      if (step.do === "nothing") return;
      if (step.do === "grant") write({ tries: { ...disk.tries, args: 3 } });
      if (step.do === "store") write({ stored: step.args });
      if (step.do === "refuse") refuse(step.id);
    }
  };
  /** @returns whether the machine restarts by itself */
  const run = (booted: string | undefined, laid: number | undefined, isGood: boolean, isFirst: boolean): boolean => {
    const facts = (): KernelArgsFacts => factsOf(booted, laid);
    write({ tries: { ...disk.tries, a: 6 } });
    settle(facts);
    if (isArgsTrial(facts())) {
      if (isGood) write({ slots: endTrial(confirmTrial(disk.slots, "a"), "a") });
      else {
        write({ tries: { ...disk.tries, args: 0 } });
        refuse(ID);
      }
      settle(facts);
      return !isGood;
    }
    if (!isFirst) return false;
    write({ slots: beginTrial(disk.slots, "a", { id: ID, generation: 2, how: "boot" }) });
    settle(facts);
    return true; // somebody restarts it
  };
  let boots = 0;
  let quiet = 0;
  for (let isFirst = true; quiet < 2; boots++) {
    assert.ok(boots < 15, "it comes to rest");
    const decision = decide({ record, tries: disk.tries, args: disk.stored, whole, saves: true });
    assert.equal(decision.boots, "a", "the slot is never left");
    disk.tries = decision.tries!;
    const { args } = decision;
    const laid = planLaying({ is: "whole", slots: disk.slots }, "a", { folders: [], tried: args.trial }).candidates[0]
      ?.generation;
    const isNew = args.append.join() === "new";
    if (fate === "dead" && isNew) continue;
    try {
      const restarts = run(args.trial, laid, fate === "good" || !isNew, isFirst);
      isFirst = false;
      quiet = restarts ? 0 : quiet + 1;
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error;
      // Who was to apply it has no answer; what was begun goes on by itself, if enough of it is there.
      if (disk.slots.slots.a?.trial || disk.slots.slots.a?.generation === 2) isFirst = false;
      quiet = 0;
    }
  }
  return { disk, boots, writes };
}

for (const fate of ["good", "sick", "dead"] as const) {
  test(`with arguments that are ${fate}, config and kernel come to agree wherever the power is cut, and no boot is lost for it`, () => {
    const uncut = life(fate, -1);
    assert.ok(uncut.writes > 5);
    for (let cut = -1; cut < uncut.writes; cut++) {
      const { disk } = life(fate, cut);
      const { a } = disk.slots.slots;
      assert.deepEqual([a?.trial, disk.stored.trial], [undefined, undefined], `cut before write ${cut}`);
      assert.equal(a?.generation, fate === "good" ? 2 : 1, `cut before write ${cut}`);
      assert.deepEqual(disk.stored.slots.a, ARGS[a.generation], `cut before write ${cut}`);
      assert.equal(a?.refused?.generation, fate === "good" ? undefined : 2, `cut before write ${cut}`);
    }
  });
}
