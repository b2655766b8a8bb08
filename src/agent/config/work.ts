/** Machine configs as the agent sees them: work of a process of its own, config-main.ts. docs/concepts/config.md */
import type { TextPlan } from "../../config/machine/compile/plan-text.ts";
import type { MachineLanguage } from "../../config/machine/language.ts";
import { AppError } from "../../core/error.ts";
import type { Run } from "../../host/run.ts";
import type { ConfigTrial, GenerationNumber, RefusedConfig } from "../../layout/generations.ts";
import type { KernelArgs } from "../../layout/kernel-args.ts";
import type { BootTarget, SlotName } from "../../layout/slots.ts";
import type { FoundConfig } from "../config-sources.ts";
import { work } from "../worker.ts";
import type { ConfigResult } from "./apply-config.ts";
import type { ConfigDocument } from "./generation-files.ts";

/**
 * `auto`: now, and at each boot. `no-reboot`: the same, unless anything of it needs a reboot. `staged`: from the next boot on. `try`: now, and only kept when
 * it is confirmed. `dry-run`: nothing changes.
 */
export const APPLY_MODES = ["auto", "staged", "try", "no-reboot", "dry-run"] as const;
export type ApplyMode = (typeof APPLY_MODES)[number];

/** What config-main.ts is told. */
export type ConfigWork =
  /** @property documents in their order @property found where they are those of every place that a machine looks at: what else is known of these */
  | {
      readonly do: "apply";
      readonly documents: readonly ConfigDocument[];
      readonly found?: Omit<FoundDocuments, "documents">;
      readonly mode: ApplyMode;
    }
  /** The machine starts, and wants one. */
  | { readonly do: "boot" }
  /** Every place is looked at, those of the network, too. It takes as long as that does, and changes nothing. */
  | { readonly do: "find" }
  /** What was not known at boot is found. */
  | { readonly do: "network"; readonly found: FoundDocuments }
  /** What was being laid when that was cut short is put right. */
  | { readonly do: "settle" }
  /** @property id of what this boot tries; absent: what is laid on the running system */
  | { readonly do: "confirm"; readonly id?: string }
  /** @property id of the trial that is over; absent: whichever there is. @property reason for people, of what a boot has tried */
  | { readonly do: "revert"; readonly id?: string; readonly reason?: string }
  /** @property to absent: the one before */
  | { readonly do: "rollback"; readonly to?: GenerationNumber; readonly mode: ApplyMode }
  | { readonly do: "history" }
  /** @property local nobody is asked over the network */
  | { readonly do: "sources"; readonly local: boolean }
  /** Whether an image knows what the config that runs says, as far as its manifest tells. */
  | { readonly do: "fits"; readonly image: NewImage; readonly language: MachineLanguage }
  /** The config that runs is made for the image in the other slot, which boots with it from now on. @property digest of its manifest */
  | { readonly do: "take-along"; readonly slot: SlotName; readonly digest: string }
  /** @property to absent: the slot's own. @property from absent: the one before that */
  | { readonly do: "diff"; readonly from?: GenerationNumber; readonly to?: GenerationNumber };

/** Work that has the configs of the machine to itself. */
export type LockedWork = Exclude<ConfigWork, { readonly do: "sources" | "find" }>;

/** What comes of each. */
export interface ConfigAnswers {
  readonly apply: ConfigResult;
  /** `none`: there is no document anywhere. `same`: this machine's config stays as it is; why, where it might not. */
  readonly boot: ConfigAnswers["network"] | { readonly same: true; readonly problems: readonly string[] };
  /** `none`: nothing is asked for any more, or nothing is known yet. */
  readonly network: ConfigResult | { readonly none: true };
  readonly find: FoundDocuments;
  readonly settle: { readonly changed: boolean };
  readonly confirm: { readonly generation: GenerationNumber };
  /** Whether there was one on trial. */
  readonly revert: { readonly changed: boolean };
  readonly rollback: ConfigResult;
  readonly history: { readonly generations: readonly GenerationEntry[] };
  readonly diff: ConfigDifference;
  readonly sources: FoundSources;
  readonly fits: TakenAlong;
  readonly "take-along": TakenAlong;
}
/** @property generation absent: this machine has no config */
export interface TakenAlong {
  readonly generation?: GenerationNumber;
  /** That the slot is to boot with. */
  readonly kernelArgs?: KernelArgs;
}
interface NewImage {
  readonly name: string;
  readonly version: string;
}
/** What lies where a machine looks for its config. Its documents are secret. */
export interface FoundDocuments extends Pick<FoundConfig, "documents" | "problems" | "waitsForNetwork"> {
  /** What a source calls this machine; absent where none does. */
  readonly instance?: string;
  /** None does, and one that is asked over the network may. */
  readonly awaitsName?: true;
}
/** One that this machine has had. */
export interface GenerationEntry {
  readonly generation: GenerationNumber;
  /** Nothing more is known of one that cannot be read. */
  readonly readable: boolean;
  /** When it was made, in seconds since 1970. */
  readonly at?: number;
  /** What it was compiled for. */
  readonly image?: { readonly name: string; readonly version: string };
  /** Where its documents were found. */
  readonly documents?: readonly string[];
  /** What was left out of it, a sentence each. */
  readonly problems?: readonly string[];
  /** It is what this boot has. */
  readonly running: boolean;
  /** What boots with it. */
  readonly slots: readonly BootTarget[];
  readonly trial?: Pick<ConfigTrial, "how" | "until">;
  /** It was on trial, and was given back: when, in seconds since 1970, and why. */
  readonly refused?: Omit<RefusedConfig, "generation">;
}
/** What every place has that a machine looks at. Nothing of it is secret. */
export interface FoundSources extends Pick<FoundConfig, "sources" | "waitsForNetwork"> {
  readonly instance?: string;
}
export interface ConfigDifference extends TextPlan {
  readonly from: GenerationNumber;
  readonly to: GenerationNumber;
}

/** Does it, in a process of its own. @throws AppError those of apply-config.ts, `CONFIG_BUSY`, `MACHINE_CONFIG_INVALID` */
export type DoConfigWork = <Do extends keyof ConfigAnswers>(
  request: Extract<ConfigWork, { readonly do: Do }>,
  signal: AbortSignal,
) => Promise<ConfigAnswers[Do]>;

export interface ConfigEdge {
  readonly run: Run;
  /** argv of config-main.ts. */
  readonly program: readonly [string, ...string[]];
  /** argv that comes before it where it changes the machine: a program that runs the rest outside of the agent's sandbox. */
  readonly outside: readonly string[];
}

/** They read, and are done inside the sandbox; `sources` would not see every disk there. */
const READING: ReadonlySet<ConfigWork["do"]> = new Set(["history", "diff", "fits"]);
const isReading = (request: ConfigWork): boolean => READING.has(request.do) || ("mode" in request && request.mode === "dry-run");

export const configWork =
  ({ run, program, outside }: ConfigEdge): DoConfigWork =>
  async (request, signal) => {
    const argv = isReading(request) ? program : ([...outside, ...program] as [string, ...string[]]);
    const last = await work({ run, program: argv }, request, () => {}, signal);
    if (last) return last as ConfigAnswers[typeof request.do];
    throw new AppError("CONFIG_WORK_FAILED", "the program that works on the machine config has said nothing", {
      hint: "See the log of the machine.",
    });
  };
