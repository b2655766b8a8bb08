/** What the agent says of its machine: the answer to `GET /status`, and what `petrify status` prints. */
import type { InstallStatus } from "../layout/install.ts";
import type { BootEntry, ScrubResult } from "../layout/agent-state.ts";
import type { DriftReport } from "../layout/drift-report.ts";
import type { RefusedConfig } from "../layout/generations.ts";
import { NO_KERNEL_ARGS, sameKernelArgs, type KernelArgs } from "../layout/kernel-args.ts";
import type { RecordFacts } from "../layout/record-change.ts";
import type { BootTarget, SlotName, SlotState } from "../layout/slots.ts";
import type { StageRun } from "../layout/stage-results.ts";
import type { BootConfig } from "./config/boot-config.ts";
import type { WantedKernelArgs } from "./config/kernel-args-step.ts";
import type { Degradation } from "./degraded.ts";
import type { OperationStatus } from "./operations/driver.ts";
import type { RecoveryStep } from "./recovery.ts";
import type { ResetStatus } from "./reset-loop.ts";
import type { TrustedKey } from "../release/trusted-keys.ts";
import type { StageControl } from "./stages/stage-control.ts";
import type { TrustStore } from "./trust-store.ts";
import type { UpdatesSummary } from "./updates/updates.ts";

/** The socket that only root of the machine may ask. */
export const AGENT_SOCKET = "/run/petrify/petrifyd.sock";

export interface SlotStatus {
  readonly role: "active" | "passive";
  readonly state: SlotState | "unknown";
  /** Boots that the loader still grants; absent when unreadable. */
  readonly tries?: number;
  /** SHA-256 of the image's manifest. */
  readonly digest?: string;
  /** When it was last verified as a whole, and what was found. */
  readonly scrub?: ScrubResult;
}
export interface HealthStatus {
  /** `starting`: not all checks have passed, and there is still time. */
  readonly is: "starting" | "healthy" | "unhealthy";
  readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly reason?: string }[];
  /** Seconds since the kernel's start at which time is over; only while it matters. */
  readonly deadline?: number;
}
export interface Alarm {
  readonly code: string;
  /** One sentence. */
  readonly message: string;
}
/** How a machine gets out of recovery. docs/concepts/recovery.md */
export interface RecoveryStatus {
  readonly is: RecoveryStep["do"];
  /** One line. */
  readonly text: string;
  /** Seconds since the kernel's start; only while it waits. */
  readonly until?: number;
  /** Since a slot was last healthy. */
  readonly attempts: number;
  /** What looking at them came to the last time, in this boot: `whole`, `damaged: …`. */
  readonly slots?: Readonly<Record<SlotName, string>>;
}
/** What this boot has of a machine config. */
export interface ConfigStatus {
  /** Absent where none was laid down. */
  readonly generation?: number;
  /** It is kept only if it is confirmed. */
  readonly trial: boolean;
  /** When a config on trial is given back, in seconds since 1970; absent where only the next boot does. */
  readonly until?: number;
  /** What of it could not be done, a sentence each. */
  readonly notes: readonly string[];
  /** Absent where there are none, and on a disk whose loader knows of none. */
  readonly kernelArgs?: KernelArgsStatus;
  /** The last one that boots have tried, and that was given back. */
  readonly refused?: RefusedConfig;
}
/** What machine configs have changed of the kernel's command line. */
export interface KernelArgsStatus extends KernelArgs {
  /** `kept`: this boot has them, as every one. `runs`: it tries them. `waits`: the next one does, for that config. */
  readonly is: "kept" | "runs" | "waits";
  readonly generation?: number;
}
/** The keys by which it knows its releases. */
export interface TrustStatus {
  readonly epoch: number;
  readonly keys: readonly Omit<TrustedKey, "publicKey">[];
}
export interface AgentStatus {
  /** When this was so, in seconds since 1970. */
  readonly at: number;
  readonly machine: { readonly id: string; readonly hostname: string };
  /** Of the machine's own key: `SHA256:…`. Absent where there is none, as in a boot from memory that waits for no owner. */
  readonly fingerprint?: string;
  /** Absent where nobody is asked for a signature, and where nobody knows whom to ask: that is an alarm. */
  readonly trust?: TrustStatus;
  readonly image: { readonly name: string; readonly version: string; readonly digest?: string; readonly rootHash: string };
  /** Absent where the initrd looked for none: of a machine that is being reset, or an older image. */
  readonly config?: ConfigStatus;
  /** What came of the stages of this boot, in the order in which they began; absent where none has run. */
  readonly stages?: readonly StageRun[];
  /** Where it is no longer as its config says, when that was looked at last. */
  readonly drift?: DriftReport;
  /** What runs: `ram` has neither role nor state. */
  readonly running: BootTarget | "ram";
  readonly role: "active" | "passive" | "recovery" | "memory" | "unknown";
  readonly state: SlotState | "recovery" | "memory" | "unknown";
  readonly slots: Readonly<Record<SlotName, SlotStatus>>;
  /** To be booted once instead. */
  readonly next?: BootTarget;
  readonly health: HealthStatus;
  readonly degraded: readonly Degradation[];
  readonly alarms: readonly Alarm[];
  /** Newest first. */
  readonly failedBoots: readonly BootEntry[];
  readonly boot: { readonly id: string; readonly since: number; readonly uptime: number };
  /** What changes an image now, or waits for a restart or for its health. */
  readonly operation?: OperationStatus;
  /** Only in a system that runs from memory, and has begun one. */
  readonly installation?: InstallStatus;
  /** Only while recovery runs. */
  readonly recovery?: RecoveryStatus;
  /** Only while this machine is being reset, or wiped. */
  readonly reset?: ResetStatus;
  /** How it keeps itself current; only where its machine config says anything of that. */
  readonly updates?: UpdatesSummary;
  /** What is being verified, in percent. */
  readonly verifying?: { readonly what: string; readonly percent: number };
  readonly agent: { readonly pid: number; readonly startedAfter: number };
}

export function trustStatus({ trusted }: TrustStore): { readonly trust?: TrustStatus } {
  let set: ReturnType<typeof trusted>;
  try {
    set = trusted();
  } catch {
    return {}; // its problems say so
  }
  if (!set) return {};
  const keys = set.keys.map(({ id, notBefore, revoked }) => ({
    id,
    ...(notBefore === undefined ? {} : { notBefore }),
    ...(revoked === undefined ? {} : { revoked }),
  }));
  return { trust: { epoch: set.epoch, keys } };
}

/** @param booted id of the trial that the loader has given this boot to */
export function configStatus(
  { config, trial, kernelArgs }: Pick<BootConfig, "config" | "trial" | "kernelArgs">,
  boot: Pick<KernelArgsBoot, "running" | "record" | "booted">,
): { readonly config?: ConfigStatus } {
  if (!config) return {};
  const { generation, notes } = config;
  const args = kernelArgsStatus(kernelArgs, boot);
  return {
    config: {
      ...(generation === undefined ? {} : { generation }),
      trial: trial !== undefined || args?.is === "runs",
      ...(trial?.until === undefined ? {} : { until: trial.until }),
      notes,
      ...(args ? { kernelArgs: args } : {}),
      ...(kernelArgs?.refused ? { refused: kernelArgs.refused } : {}),
    },
  };
}

interface KernelArgsBoot {
  readonly running: BootTarget | "ram";
  readonly record: RecordFacts;
  readonly booted: string | undefined;
}
function kernelArgsStatus(
  wanted: WantedKernelArgs | undefined,
  { running, record: { args }, booted }: KernelArgsBoot,
): KernelArgsStatus | undefined {
  if (!args || (running !== "a" && running !== "b")) return undefined;
  const { trial } = wanted ?? {};
  if (trial?.args) return { is: trial.id === booted ? "runs" : "waits", ...trial.args, generation: trial.generation };
  const kept = args.slots[running];
  return sameKernelArgs(kept, NO_KERNEL_ARGS) ? undefined : { is: "kept", ...kept };
}

/** @param generation of the config that runs */
export function stageStatus(
  { runs, drift }: Pick<StageControl, "runs" | "drift">,
  generation: number | undefined,
): Pick<AgentStatus, "stages" | "drift"> {
  const [stages, found] = [runs(), driftOf(drift(), generation)];
  return { ...(stages.length > 0 ? { stages } : {}), ...(found ? { drift: found } : {}) };
}

/** @param generation of the config that runs: what was found of another one says nothing of this */
export const driftOf = (report: DriftReport | undefined, generation: number | undefined): DriftReport | undefined =>
  report?.generation === generation ? report : undefined;

export function roleOf(running: BootTarget | "ram", { found }: RecordFacts): AgentStatus["role"] {
  if (running === "recovery") return "recovery";
  if (running === "ram") return "memory";
  if (found.is !== "whole") return "unknown";
  return found.record.active === running ? "active" : "passive";
}

export function stateOf(running: BootTarget | "ram", { found }: RecordFacts): AgentStatus["state"] {
  if (running === "recovery") return "recovery";
  if (running === "ram") return "memory";
  return found.is === "whole" ? found.record.slots[running].state : "unknown";
}

export function slotStatus(name: SlotName, { found, tries }: RecordFacts, scrub: ScrubResult | undefined): SlotStatus {
  const record = found.is === "whole" ? found.record : undefined;
  const digest = record?.slots[name].digest;
  return {
    role: record && record.active !== name ? "passive" : "active",
    state: record?.slots[name].state ?? "unknown",
    ...(tries ? { tries: tries[name] } : {}),
    ...(digest ? { digest } : {}),
    ...(scrub ? { scrub } : {}),
  };
}
