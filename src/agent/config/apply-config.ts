/** From documents to the machine: judged, compiled for the image, kept as a generation, laid on the running system. docs/concepts/config.md */
import {
  compileConfig,
  compileTolerantly,
  type Compilation,
  type Compiled,
  type CompileMeans,
  type NetworkFiles,
} from "../../config/machine/compile/compile-config.ts";
import { fileEntries } from "../../config/machine/compile/own-steps.ts";
import type { ImageView } from "../../config/machine/compile/image-view.ts";
import { NEW_KERNEL_ARGS, planChanges, type ChangePlan } from "../../config/machine/compile/plan-changes.ts";
import type { TextPlan } from "../../config/machine/compile/plan-text.ts";
import type { NodeConfig } from "../../config/machine/node-config.ts";
import { hex } from "../../core/digest.ts";
import { AppError } from "../../core/error.ts";
import type { GenerationStore } from "../../host/generation-store.ts";
import type { TreeEntry } from "../../layout/compiled-config.ts";
import type { DriftReport } from "../../layout/drift-report.ts";
import {
  beginTrial,
  confirmTrial,
  endTrial,
  keepGeneration,
  refuseTrial,
  type ConfigTrial,
  type GenerationNumber,
} from "../../layout/generations.ts";
import { NO_KERNEL_ARGS, sameKernelArgs, type KernelArgs } from "../../layout/kernel-args.ts";
import { mergeAccounts, type AccountTexts, type MergedAccounts } from "../../layout/merge-accounts.ts";
import type { RunConfig } from "../../layout/run-config.ts";
import type { BootTarget } from "../../layout/slots.ts";
import { filesToLay } from "./files-to-lay.ts";
import { generationFiles, readGeneration, type ConfigDocument, type Generation } from "./generation-files.ts";
import { layChange, type LayPorts } from "./lay-change.ts";
import type { ApplyMode } from "./work.ts";

export interface ApplyPorts extends LayPorts {
  /** The slot that runs. */
  readonly target: BootTarget;
  readonly view: ImageView;
  readonly store: GenerationStore;
  /** What this boot has of a config. */
  readonly running: () => Promise<RunConfig>;
  readonly nowRuns: (config: RunConfig) => Promise<void>;
  /** Has the files of the config that now runs written that stages write. @returns what could not be, a sentence each */
  readonly runFileStages: () => Promise<readonly string[]>;
  /** The generation that is being laid, as long as it is: nothing otherwise. */
  readonly half: () => Promise<GenerationNumber | undefined>;
  /** What the boot loader gives the running slot; or why it gives none to any, a few words. */
  readonly kernelArgs: () => Promise<{ readonly slot: KernelArgs } | { readonly none: string }>;
  readonly nowLaying: (generation: GenerationNumber | undefined) => Promise<void>;
  /** @throws AppError where it has to be sound and is not */
  readonly judge: (documents: readonly ConfigDocument[], how: "strict" | "tolerant") => Judged;
  readonly network: (config: NodeConfig, view: ImageView) => NetworkFiles;
  readonly ofImage: (path: string, options: { readonly deep: boolean }) => readonly TreeEntry[];
  /** Latin-1. */
  readonly imageAccounts: () => Promise<AccountTexts>;
  readonly sha1: (bytes: Uint8Array) => Uint8Array;
  readonly sha256: (bytes: Uint8Array) => Uint8Array;
  readonly random: (bytes: number) => Uint8Array;
  /** Seconds since 1970. */
  readonly now: () => number;
}
/** What documents come to, whatever the image. */
export interface Judged {
  readonly config: NodeConfig;
  /** What was left out, a sentence each. */
  readonly problems: readonly string[];
  /** Keys of the language that it has: `users.name`. */
  readonly keys: readonly string[];
}

export interface ConfigResult {
  /** Whether anything of the machine is, or would be, another than before. */
  readonly changed: boolean;
  readonly mode: ApplyMode;
  /** Absent where nothing was kept. */
  readonly generation?: GenerationNumber;
  /** Names only: contents may be secret. */
  readonly plan: TextPlan;
  /** What of it could not be done, a sentence each. */
  readonly problems: readonly string[];
  /** It is only kept when it is confirmed: in time, or, where that is not said, by the next boot, when that is healthy. */
  readonly trial?: { readonly id: string; readonly until?: number };
  /** Of a dry run: where the machine is no longer as the config that runs says, as far as that was looked at. No plan has it: that is from config to config. */
  readonly drift?: DriftReport;
}

/** A trial of a config on the running system. */
const TRIAL_SECONDS = 60;
const REBOOT_HINT = "Apply it with --mode auto or staged, and restart.";

export interface ApplyOptions {
  readonly mode: ApplyMode;
  readonly how: "strict" | "tolerant";
  /** Nobody asked for it: a machine that starts, or that is being put right. Then nothing waits for a reboot but the kernel's arguments. */
  readonly unattended?: true;
  /** That was applied before: it counts again, where it comes to the same. */
  readonly again?: GenerationNumber;
  /** What is known to be missing, a sentence each. */
  readonly notes?: readonly string[];
  /** Some of where it comes from has never answered yet; default: it is all there. */
  readonly awaits?: boolean;
  /** Its documents lie where a machine looks; default: somebody has applied them. */
  readonly found?: boolean;
  /**
   * It is laid now, and kept once the machine is healthy with it. Called when that has begun, before anything is laid: where it throws nothing is. A boot that
   * ends before has the one before again.
   */
  readonly untilHealthy?: () => Promise<void>;
}

/**
 * Every refusal comes before the first write. What the slot boots with changes before anything is laid, so a power cut in the middle is made good by the next
 * boot; a worker that ends in the middle, by the next call.
 *
 * Other kernel arguments than the slot has make the whole config one on trial, for the next boot.
 *
 * @throws AppError `CONFIG_UNSUPPORTED`, `KERNEL_ARGS_UNSUPPORTED`, `CONFIG_NEEDS_REBOOT`, `CONFIG_IN_RECOVERY`, `CONFIG_NEWER`, those of `judge`
 */
export async function applyConfig(
  documents: readonly ConfigDocument[],
  { mode, how, again, notes = [], awaits = false, found = false, unattended, untilHealthy }: ApplyOptions,
  ports: ApplyPorts,
): Promise<ConfigResult> {
  const { store, target } = ports;
  if (target === "recovery")
    throw new AppError("CONFIG_IN_RECOVERY", "the recovery system takes no machine config", { hint: "Start one of the slots." });
  const { after, problems: left, areOtherArgs } = await forLoader(compiledOf(documents, how, ports), how, ports);
  const problems = [...notes, ...left];
  const change = await changeTo(after.compiled, ports);
  const { plan } = change;
  const later = areOtherArgs && !unattended ? [...new Set([...plan.reboot, NEW_KERNEL_ARGS])] : plan.reboot;
  if (later.length > 0 && (mode === "no-reboot" || (mode === "try" && later.includes(NEW_KERNEL_ARGS))))
    throw new AppError("CONFIG_NEEDS_REBOOT", `not without a reboot: ${later.join("; ")}`, { hint: REBOOT_HINT });
  const result = { mode, plan: shown(plan), problems };
  const kept = store.slots().slots[target];
  const own = kept?.generation === undefined ? undefined : await readGeneration(store, kept.generation);
  const isKept = own !== undefined && sameConfig(own.compiled, after.compiled) && (awaits || own.about.awaits !== true);
  const waiting = kept?.trial?.how === "boot" ? kept.trial : undefined;
  const isWaiting = waiting !== undefined && sameConfig(await stored(store, waiting.generation), after.compiled);
  const isLater = areOtherArgs && !unattended;
  if (isLater && isWaiting) return { ...result, changed: false, generation: waiting.generation, trial: { id: waiting.id } };
  if (mode === "dry-run") return { ...result, changed: !isKept || isLater || !isNothing(change) };

  const isAgain = again !== undefined && sameConfig(await stored(store, again), after.compiled);
  const generation = isKept
    ? kept!.generation!
    : isAgain
      ? again
      : await keep(after, { problems, documents, awaits, found }, ports);
  const atBoot = (): ConfigTrial => ({ id: hex(ports.random(4)), generation, how: "boot" });
  if (isLater) {
    const trial = atBoot();
    await beginUnless(trial, untilHealthy, ports);
    await store.prune();
    return { ...result, changed: true, generation, trial: { id: trial.id } };
  }
  if (mode === "try") return await tryOut(generation, { ...result, change, isKept }, ports);
  if (untilHealthy) return await tryUntilHealthy(generation, { ...result, change, isKept, begun: untilHealthy }, ports);
  const isRefused = isKept && kept?.refused?.generation === generation;
  const begins = areOtherArgs && !isRefused && !(isKept && isWaiting);
  const isNew = !isKept || (kept?.trial !== undefined && !(areOtherArgs && isWaiting));
  const trial = begins ? atBoot() : undefined;
  if (isNew || trial)
    await store.point((slots) => {
      const now = isNew ? endTrial(keepGeneration(slots, target, generation), target) : slots;
      return trial ? beginTrial(now, target, trial) : now;
    });
  const laid = mode === "staged" ? [] : await layOn(change, generation, ports);
  await store.prune();
  return { ...result, problems: [...problems, ...laid], changed: isNew || (mode !== "staged" && !isNothing(change)), generation };
}

async function tryOut(
  generation: GenerationNumber,
  { change, isKept, ...result }: Omit<ConfigResult, "changed"> & { readonly change: LaidChange; readonly isKept: boolean },
  ports: ApplyPorts,
): Promise<ConfigResult> {
  const { store, target, now, random } = ports;
  if (isKept && isNothing(change)) return { ...result, changed: false, generation };
  const id = hex(random(4));
  const begin = async (until: number): Promise<void> =>
    await store.point((slots) => beginTrial(slots, target, { id, generation, how: "live", until }));
  await begin(now() + TRIAL_SECONDS);
  const laid = await layOn(change, generation, ports);
  // However long that took: whoever is to confirm it could not before.
  const until = now() + TRIAL_SECONDS;
  await begin(until);
  return { ...result, problems: [...result.problems, ...laid], changed: true, generation, trial: { id, until } };
}

async function tryUntilHealthy(
  generation: GenerationNumber,
  {
    change,
    isKept,
    begun,
    ...result
  }: Omit<ConfigResult, "changed"> & {
    readonly change: LaidChange;
    readonly isKept: boolean;
    readonly begun: () => Promise<void>;
  },
  ports: ApplyPorts,
): Promise<ConfigResult> {
  const { store, random } = ports;
  if (isKept && isNothing(change)) {
    await begun();
    return { ...result, changed: false, generation };
  }
  await beginUnless({ id: hex(random(4)), generation, how: "live" }, begun, ports);
  const laid = await layOn(change, generation, ports);
  await store.prune();
  return { ...result, problems: [...result.problems, ...laid], changed: true, generation };
}

/** @param begun what has to be stored, too: without it the trial is none */
async function beginUnless(
  trial: ConfigTrial,
  begun: (() => Promise<void>) | undefined,
  { store, target }: Pick<ApplyPorts, "store" | "target">,
): Promise<void> {
  await store.point((slots) => beginTrial(slots, target, trial));
  try {
    await begun?.();
  } catch (error) {
    await store.point((slots) => endTrial(slots, target));
    throw error;
  }
}

/** What of a config the boot loader can be told. @throws AppError `KERNEL_ARGS_UNSUPPORTED` */
async function forLoader(
  { after, problems }: ReturnType<typeof compiledOf>,
  how: ApplyOptions["how"],
  { kernelArgs }: Pick<ApplyPorts, "kernelArgs">,
): Promise<ReturnType<typeof compiledOf> & { readonly areOtherArgs: boolean }> {
  const now = await kernelArgs();
  if ("slot" in now) return { after, problems, areOtherArgs: !sameKernelArgs(now.slot, after.compiled.kernelArgs) };
  if (sameKernelArgs(after.compiled.kernelArgs, NO_KERNEL_ARGS)) return { after, problems, areOtherArgs: false };
  const problem = `kernel.args cannot be used: ${now.none}`;
  if (how === "strict")
    throw new AppError("KERNEL_ARGS_UNSUPPORTED", problem, {
      hint: "Take the key out of the config, and put the words into kernel.cmdline of the recipe; or install the machine anew.",
    });
  const without = { compiled: { ...after.compiled, kernelArgs: NO_KERNEL_ARGS } };
  return { after: without, problems: [...problems, problem], areOtherArgs: false };
}

/**
 * The config on trial is kept.
 *
 * @param id of one that this boot tries; default: one that is laid on the running system
 * @throws AppError `CONFIG_NO_TRIAL`
 */
export async function confirmConfig(
  { store, target }: Pick<ApplyPorts, "store" | "target">,
  id?: string,
): Promise<GenerationNumber> {
  const trial = store.slots().slots[target]?.trial;
  if (trial?.how === "boot" && id === undefined)
    throw new AppError(
      "CONFIG_NO_TRIAL",
      `machine config ${trial.generation} is tried by the next boot, and is kept once that is healthy`,
      {
        hint: "Restart with `petrify reboot`.",
      },
    );
  if (!trial || (id !== undefined && trial.id !== id))
    throw new AppError("CONFIG_NO_TRIAL", "no machine config is on trial: it was kept already, or the one before is back", {
      hint: "See `petrify config history`.",
    });
  await store.point((slots) => endTrial(confirmTrial(slots, target), target));
  return trial.generation;
}

/**
 * The config on trial is given up, and the slot's own laid again; by the next boot, where a boot tries it.
 *
 * @param id nothing happens where that trial is over, one way or the other; default: whichever there is
 * @param reason that is remembered of one that a boot tries
 * @returns whether there was one
 */
export async function revertTrial(ports: ApplyPorts, id?: string, reason = "it was given back"): Promise<boolean> {
  const { store, target } = ports;
  const slot = store.slots().slots[target];
  if (!slot?.trial || (id !== undefined && slot.trial.id !== id)) return false;
  const { trial } = slot;
  if (trial.how === "boot") {
    await store.point((slots) => refuseTrial(slots, target, { trial: trial.id, at: ports.now(), reason }));
    return true;
  }
  const own = slot.generation === undefined ? undefined : await readGeneration(store, slot.generation);
  const change = await changeTo(own?.compiled ?? compiledOf([], "tolerant", ports).after.compiled, ports);
  await layOn(change, own ? slot.generation : undefined, ports);
  await store.point((slots) => endTrial(slots, target));
  return true;
}

/** The documents of a generation; those of the slot's own where it is not said. @throws AppError `CONFIG_UNKNOWN` */
export async function documentsOf(
  { store }: Pick<ApplyPorts, "store">,
  generation: GenerationNumber,
): Promise<readonly ConfigDocument[]> {
  const found = await readGeneration(store, generation);
  if (found) return found.documents;
  throw new AppError("CONFIG_UNKNOWN", `there is no machine config ${generation} that can be read`, {
    hint: "See `petrify config history`.",
  });
}

/** From one generation to another, on this image. @throws AppError `CONFIG_UNKNOWN` */
export async function configDiff(
  { store }: Pick<ApplyPorts, "store">,
  from: GenerationNumber,
  to: GenerationNumber,
): Promise<ChangePlan> {
  const [before, after] = [await stored(store, from), await stored(store, to)];
  for (const [number, found] of [
    [from, before],
    [to, after],
  ] as const) {
    if (!found) throw new AppError("CONFIG_UNKNOWN", `there is no machine config ${number} that can be read`);
  }
  return planChanges(before, after!);
}

const stored = async (store: GenerationStore, generation: GenerationNumber): Promise<Compiled | undefined> =>
  (await readGeneration(store, generation))?.compiled;

function compiledOf(
  documents: readonly ConfigDocument[],
  how: "strict" | "tolerant",
  ports: ApplyPorts,
): { readonly after: Pick<Generation, "compiled">; readonly problems: readonly string[] } {
  const { config, problems } = ports.judge(documents, how);
  const compilation = (how === "strict" ? compileConfig : compileTolerantly)(
    config,
    ports.view,
    compileMeans(config, ports.view, ports),
  );
  return { after: { compiled: withoutNotes(compilation) }, problems: [...problems, ...leftOut(compilation)] };
}

/** What compiling a config for an image needs besides. */
export const compileMeans = (
  config: NodeConfig,
  view: ImageView,
  { network, sha1, sha256 }: Pick<ApplyPorts, "network" | "sha1" | "sha256">,
): CompileMeans => ({
  digest: hex(sha256(new TextEncoder().encode(JSON.stringify(config)))),
  network: network(config, view),
  sha1,
});

/** A sentence each. */
export const leftOut = ({ unsupported, notes }: Compilation): string[] => [
  ...unsupported.map(({ key, problem }) => `${key}: ${problem}`),
  ...notes,
];

export const withoutNotes = ({ unsupported: _unsupported, notes: _notes, ...compiled }: Compilation): Compiled => compiled;

/** @returns its number; it is durable, and nothing refers to it */
export async function keep(
  { compiled }: Pick<Generation, "compiled">,
  {
    problems,
    documents,
    awaits,
    found,
  }: Pick<Generation, "documents"> & {
    readonly problems: readonly string[];
    readonly awaits: boolean;
    readonly found: boolean;
  },
  { store, now }: Pick<ApplyPorts, "store" | "now">,
): Promise<GenerationNumber> {
  const about = { at: now(), problems, ...(awaits ? { awaits } : {}), ...(found ? { found } : {}) };
  return await store.add(generationFiles({ compiled, documents, about }));
}

export const sameConfig = (before: Compiled | undefined, after: Compiled): boolean =>
  before !== undefined && canonical(before) === canonical(after);
/** In one order of keys; what is not there is what is undefined. */
const canonical = ({ compiled, init, kernelArgs, updates, plan }: Compiled): string =>
  JSON.stringify([compiled, init, kernelArgs, updates, plan]);

/** A change that is ready to be laid. */
interface LaidChange {
  readonly before: Compiled | undefined;
  readonly after: Compiled;
  readonly plan: ChangePlan;
  /** Of a config that was being laid when its worker ended. */
  readonly half: readonly TreeEntry[] | undefined;
}
const isNothing = ({ plan, half }: LaidChange): boolean => plan.changes.length === 0 && !half;

async function changeTo(after: Compiled, { store, running, half }: ApplyPorts): Promise<LaidChange> {
  const { generation } = await running();
  const before = generation === undefined ? undefined : await stored(store, generation);
  const unfinished = await half();
  const begun = unfinished === undefined ? undefined : await stored(store, unfinished);
  return { before, after, plan: planChanges(before, after), half: begun?.compiled.entries };
}

/** @returns what could not be done */
async function layOn(
  change: LaidChange,
  generation: GenerationNumber | undefined,
  ports: ApplyPorts,
): Promise<readonly string[]> {
  const { before, after, plan, half } = change;
  const { compiled } = after;
  if (isNothing(change)) {
    const { wanted, awaits, ...boot } = await ports.running();
    // The same under another number, for another image, or once all of it is known.
    if (generation !== undefined && (boot.generation !== generation || wanted !== undefined || awaits))
      await ports.nowRuns({ ...boot, generation, config: compiled.config });
    return [];
  }
  const merged = mergeAccounts(await ports.imageAccounts(), compiled.accounts, ports.store.remembered());
  // Files on disks carry the numbers.
  await ports.store.remember(merged.ids);
  const areOthers = half !== undefined || plan.changes.some(({ kind }) => kind === "user" || kind === "group");
  await ports.nowLaying(generation);
  const later = { before: before ? fileEntries(before.plan) : [], after: fileEntries(after.plan) };
  const files = filesToLay({ before: before?.compiled, after: compiled, plan, half, later }, ports.ofImage);
  const accounts: MergedAccounts | undefined = areOthers ? merged : undefined;
  const notes = [
    ...(accounts?.notes ?? []),
    ...(await layChange({ plan, accounts, persistent: ports.isBooting ? compiled.persistent : [], ...files }, ports)),
  ];
  const {
    trial: _trial,
    generation: _old,
    config: _config,
    health: _health,
    wanted: _wanted,
    awaits: _awaits,
    ...boot
  } = await ports.running();
  await ports.nowRuns({
    ...boot,
    ...(generation === undefined ? {} : { generation, config: compiled.config }),
    ...(compiled.health && { health: compiled.health }),
    ...{ notes, stages: compiled.stages },
    ...{ users: Object.fromEntries(merged.ids.user), groups: Object.fromEntries(merged.ids.group) },
  });
  await ports.nowLaying(undefined);
  // A boot comes to them by itself.
  if (ports.isBooting || later.after.length === 0) return notes;
  return [...notes, ...(await ports.runFileStages())];
}

/** Without what the actions are. */
export const shown = ({ changes, actions, reboot }: ChangePlan): TextPlan => ({
  changes,
  actions: actions.map(({ id, says, after }) => ({ id, says, after })),
  reboot,
});
