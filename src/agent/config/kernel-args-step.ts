/**
 * What becomes of kernel arguments: from what the configs of a slot want, and what its boot loader has been told, the next thing to do. Pure. Each is small enough to be
 * cut off or done again; what comes next is derived from what is stored. docs/concepts/config.md, "Kernel arguments"
 */
import { sameKernelArgs, type KernelArgs, type KernelArgsTrial, type StoredKernelArgs } from "../../layout/kernel-args.ts";
import type { GenerationNumber, RefusedConfig } from "../../layout/generations.ts";
import { FULL_TRIES, type SlotName } from "../../layout/slots.ts";
import type { Tries } from "../../layout/tries.ts";

/** What the configs of the running slot say. */
export interface WantedKernelArgs {
  /** Of what the slot boots with; absent where that cannot be read. */
  readonly own?: KernelArgs;
  readonly generation?: GenerationNumber;
  /** The one that is tried at boot. */
  readonly trial?: {
    readonly id: string;
    readonly generation: GenerationNumber;
    /** Absent where it cannot be read. */
    readonly args?: KernelArgs;
  };
  readonly refused?: RefusedConfig;
}
export interface KernelArgsFacts {
  readonly slot: SlotName;
  readonly wanted: WantedKernelArgs;
  readonly stored: StoredKernelArgs;
  readonly tries: Tries | undefined;
  /** Id of the trial that the loader has given this boot to. */
  readonly booted: string | undefined;
  /** What was laid at this boot, or since. */
  readonly laid: GenerationNumber | undefined;
}
export type KernelArgsStep =
  | { readonly do: "nothing" }
  /** The tries come before what they are for. */
  | { readonly do: "grant" }
  | { readonly do: "store"; readonly args: StoredKernelArgs }
  /** The config on trial is given back. @property reason a sentence */
  | { readonly do: "refuse"; readonly id: string; readonly reason: string };

const NOTHING: KernelArgsStep = { do: "nothing" };

/** Whether this boot is the trial: its kernel has the arguments, and its config was laid. */
export const isArgsTrial = ({ wanted: { trial }, booted, laid }: Pick<KernelArgsFacts, "wanted" | "booted" | "laid">): boolean =>
  trial !== undefined && trial.id === booted && trial.generation === laid;

export function nextKernelArgsStep(facts: KernelArgsFacts): KernelArgsStep {
  const { slot, stored, tries, booted } = facts;
  const { trial } = facts.wanted;
  const told = stored.trial;
  if (told && told.id !== trial?.id) return { do: "store", args: afterTrial(told, facts) };
  if (!trial || isArgsTrial(facts)) return NOTHING; // its health decides
  const refuse = (reason: string): KernelArgsStep => ({ do: "refuse", id: trial.id, reason });
  if (!trial.args) return refuse("its kernel arguments cannot be read");
  if (booted === trial.id) return refuse("it could not be laid when its kernel arguments were tried");
  if (told) return tries && !tries.args ? refuse(`the machine did not come up with its kernel arguments`) : NOTHING;
  if (tries?.args !== FULL_TRIES.trial) return { do: "grant" };
  return { do: "store", args: { ...stored, trial: { ...trial.args, id: trial.id, slot } } };
}

/** Without what is no longer tried. Where the slot boots with that very config by now, it has been confirmed, and the arguments are the slot's. */
function afterTrial(told: KernelArgsTrial, { slot, wanted, stored: { slots } }: KernelArgsFacts): StoredKernelArgs {
  const { append, remove } = told;
  const isKept =
    told.slot === slot &&
    wanted.trial === undefined &&
    wanted.own !== undefined &&
    sameKernelArgs(wanted.own, told) &&
    wanted.refused?.generation !== wanted.generation;
  return { slots: isKept ? { ...slots, [slot]: { append, remove } } : slots };
}
