/** @portable A machine config on one image: what is laid down, who is there, what is left for the stage runner. docs/concepts/config.md */
import { AppError } from "../../../core/error.ts";
import type { CompiledConfig, TreeEntry } from "../../../layout/compiled-config.ts";
import { kernelArgsProblem, NO_KERNEL_ARGS, type KernelArgs } from "../../../layout/kernel-args.ts";
import type { InitKind } from "../../words.ts";
import type { UpdatesConfig } from "../../updates/updates-config.ts";
import type { NodeConfig } from "../node-config.ts";
import { STAGE_NAMES, type StageName } from "../stages.ts";
import { compileAccounts } from "./accounts.ts";
import { compileApi } from "./api.ts";
import { compileCertificates } from "./certificates.ts";
import { compileContainers } from "./containers.ts";
import { foldEarlyStages } from "./early-stages.ts";
import { compileDisks } from "./disks.ts";
import { compileEnvironment, variablesOf } from "./environment.ts";
import { compileFiles } from "./files.ts";
import { compileGrowth } from "./growth.ts";
import { compileHealth } from "./health.ts";
import type { ImageView } from "./image-view.ts";
import { compileModules, compileSysctl } from "./kernel.ts";
import { knownAccounts } from "./known-accounts.ts";
import { compileLaterStages } from "./later-stages.ts";
import { compileKeyboard, compileLocale } from "./locale.ts";
import { compileMounts } from "./mounts.ts";
import { compileNames } from "./names.ts";
import { gone, plannedStep, textFile, type Draft, type Part, type PlannedStep, type Unsupported } from "./part.ts";
import { compilePersistent } from "./persistent.ts";
import { sealConfig } from "./sealed.ts";
import { settleEntries } from "./settle-entries.ts";
import { compileSsh } from "./ssh.ts";
import type { StagePlan } from "./stage-plan.ts";
import { compileTime } from "./time.ts";
import { compileUnits } from "./units.ts";

/** What compiling has from others. */
export interface CompileMeans {
  /** SHA-256 (hex) of the effective config. */
  readonly digest: string;
  /** What `network` comes to on this image; empty where the config has none. */
  readonly network: NetworkFiles;
  readonly sha1: (bytes: Uint8Array) => Uint8Array;
}
export interface NetworkFiles {
  readonly files: readonly { readonly path: string; readonly mode: number; readonly text: string; readonly owner?: string }[];
  /** Links that enable what the files need. */
  readonly links?: readonly { readonly path: string; readonly to: string }[];
  /** Links of the image that would start another program for the same. */
  readonly gone?: readonly string[];
  readonly unsupported?: readonly Unsupported[];
  readonly notes?: readonly string[];
}

/** A config on one image, with what the initrd has no use for. JSON. */
export interface Compiled {
  readonly compiled: CompiledConfig;
  readonly init: InitKind;
  readonly kernelArgs: KernelArgs;
  readonly updates?: UpdatesConfig;
  /** For the stage runner. */
  readonly plan: StagePlan;
}
export interface Compilation extends Compiled {
  /** Left out, each with its reason. Empty: the image can do all of the config. */
  readonly unsupported: readonly Unsupported[];
  /** Good to know, a sentence each. */
  readonly notes: readonly string[];
}

/** What the image cannot do is left out and listed: for a boot. */
export function compileTolerantly(config: NodeConfig, view: ImageView, means: CompileMeans): Compilation {
  const folded = foldEarlyStages(config, view);
  const { labels } = folded;
  const { config: whole, unsupported: ofSealed } = sealConfig(folded.config, view);
  const { persistent, ...persistence } = compilePersistent(whole, view);
  const kept = [...view.persistent, ...persistent];
  const known = knownAccounts(whole, view);
  // Of two that want one path the first is laid down, so files by name come last.
  const parts: readonly Part[] = [
    { unsupported: [...folded.unsupported, ...ofSealed] },
    persistence,
    compileNames(whole, view),
    compileAccounts(whole, view, { accounts: known, labels }),
    compileSsh(whole, view, { accounts: known, labels, further: folded.keys }),
    networkPart(means.network),
    compileTime(whole, view),
    compileLocale(whole, view),
    compileKeyboard(whole, view),
    compileCertificates(whole, view, means.sha1),
    compileEnvironment(whole, view),
    compileSysctl(whole),
    compileModules(whole, view, labels),
    compileUnits(whole, view, labels),
    compileContainers(whole, view, kept),
    compileMounts(whole, view, kept),
    compileGrowth(whole, view),
    compileHealth(whole, view),
    compileApi(whole, view),
    { drafts: folded.drafts },
    compileFiles(whole, view, { persistent: kept, accounts: known, labels }),
  ];
  const settled = settleEntries(all(parts, "drafts"), view, kept);
  const later = compileLaterStages(whole, ownSteps(whole, all(parts, "steps")), view, kept);
  const { unsupported: ofDisks, ...disks } = compileDisks(whole, view);
  const plan: StagePlan = {
    stages: later.stages,
    once: {
      ...{ ...disks, commands: whole.runCommands },
      mounts: mountUnits(settled.entries),
    },
    environment: variablesOf(whole),
    drift: whole.drift,
  };
  const accounts = parts.find((part) => part.accounts)?.accounts ?? { users: [], groups: [] };
  const hostname = parts.find((part) => part.hostname !== undefined)?.hostname;
  const health = parts.find((part) => part.health)?.health;
  const { kernelArgs = NO_KERNEL_ARGS } = whole;
  const tooManyArgs = kernelArgsProblem(kernelArgs); // of several documents
  return {
    compiled: {
      config: means.digest,
      image: { name: view.name, version: view.version },
      ...(hostname !== undefined && { hostname }),
      accounts,
      entries: settled.entries,
      persistent,
      ...(health && { health }),
      stages: stagesLeft(plan, settled.entries.length > 0 || accounts.users.length + accounts.groups.length > 0),
    },
    init: view.init,
    kernelArgs: tooManyArgs === undefined ? kernelArgs : NO_KERNEL_ARGS,
    ...(whole.updates && { updates: whole.updates }),
    plan,
    unsupported: [
      ...[...all(parts, "unsupported"), ...settled.unsupported, ...later.unsupported, ...ofDisks],
      ...(tooManyArgs === undefined ? [] : [{ key: "kernel.args", problem: tooManyArgs }]),
    ],
    notes: all(parts, "notes"),
  };
}

/**
 * All of a config, or nothing.
 *
 * @throws AppError `CONFIG_UNSUPPORTED`: a line for each key that the image cannot do
 */
export function compileConfig(config: NodeConfig, view: ImageView, means: CompileMeans): Compilation {
  const compilation = compileTolerantly(config, view, means);
  const refused = unsupportedError(compilation);
  if (refused) throw refused;
  return compilation;
}

/** Nothing where the image can do all of it. */
export function unsupportedError({ unsupported, compiled: { image } }: Compilation): AppError | undefined {
  if (unsupported.length === 0) return undefined;
  const hints = [...new Set(unsupported.flatMap(({ hint }) => (hint === undefined ? [] : [hint])))];
  const lines = unsupported.map(({ key, problem }) => `  ${key}: ${problem}`);
  return new AppError(
    "CONFIG_UNSUPPORTED",
    `the image ${image.name} ${image.version} cannot do all that the config says:\n${lines.join("\n")}`,
    hints.length > 0 ? { hint: hints.join(" ") } : {},
  );
}

function networkPart({ files, links = [], gone: hidden = [], unsupported = [], notes = [] }: NetworkFiles): Part {
  const drafts = [
    ...files.map(({ path, mode, text, owner }): Draft => ({
      ...textFile("network", path, text, mode),
      ...(owner !== undefined && { owner }),
    })),
    ...links.map(({ path, to }): Draft => ({ key: "network", path, what: { is: "link", to } })),
    ...hidden.map((path) => gone("network", path)),
  ];
  return { drafts: drafts.map((draft): Draft => ({ ...draft, recovery: true })), unsupported, notes };
}

/** `bootcmd` comes before what other keys come to. */
const ownSteps = ({ bootCommands }: NodeConfig, own: readonly PlannedStep[]): readonly PlannedStep[] => [
  ...(bootCommands.length > 0 ? [plannedStep("fs.before", "bootcmd", { commands: bootCommands })] : []),
  ...own,
];

/** Of systemd; OpenRC mounts them after all stages that make file systems. */
const mountUnits = (entries: readonly TreeEntry[]): readonly string[] =>
  entries.flatMap(({ path, what }) => {
    const unit = /^\/etc\/systemd\/system\/[^/]+\.wants\/([^/]+\.mount)$/.exec(path)?.[1];
    return unit === undefined || what.is !== "link" ? [] : [unit];
  });

/** Those that have anything to do. @param hasPaths whether there is anything that could be another than the config says */
function stagesLeft({ stages, once, drift }: StagePlan, hasPaths: boolean): StageName[] {
  const has: Partial<Record<StageName, boolean>> = {
    "fs.before": once.disks.length + once.fileSystems.length > 0,
    "network.after": once.commands.length > 0,
    reconcile: drift !== "off" && hasPaths,
  };
  return STAGE_NAMES.filter((name) => (stages[name]?.length ?? 0) > 0 || has[name] === true);
}

const all = <Key extends "drafts" | "unsupported" | "notes" | "steps">(
  parts: readonly Part[],
  key: Key,
): NonNullable<Part[Key]>[number][] => parts.flatMap((part) => (part[key] ?? []) as NonNullable<Part[Key]>[number][]);
