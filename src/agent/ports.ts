/** Everything that an agent sees of its machine, and can do to it: machine.ts is a real one, fake-machine.ts one in memory. */
import type { Sha256 } from "../core/digest.ts";
import type { BootRecordStore } from "../host/boot-record.ts";
import type { ClockFinding } from "../host/clock-is-set.ts";
import type { HardwareWatchdog } from "../host/hardware-watchdog.ts";
import type { InitSystem } from "../host/init-system.ts";
import type { FoundLocks } from "../host/restart-locks.ts";
import type { StateStore } from "../host/state-store.ts";
import type { AgentState } from "../layout/agent-state.ts";
import type { MachineEvent } from "../layout/events.ts";
import type { DataPartition } from "../layout/fstab.ts";
import type { RecoveryPlan } from "../layout/recovery-plan.ts";
import type { RunFacts } from "../layout/run-facts.ts";
import type { RecoveryFile } from "../layout/slots.ts";
import type { AuditLog } from "./audit-log.ts";
import type { BootConfig } from "./config/boot-config.ts";
import type { DoConfigWork } from "./config/work.ts";
import type { MountedData } from "./degraded.ts";
import type { LogSources } from "./failed-boot-log.ts";
import type { CheckReport } from "./health/check.ts";
import type { InstallSources } from "./install/automatic.ts";
import type { InstallPorts } from "./install/work.ts";
import type { ImagePorts } from "./operations/ports.ts";
import type { ResetDisk } from "./reset-disk.ts";
import type { SlotStore } from "./slot-store.ts";
import type { StageControl } from "./stages/stage-control.ts";
import type { AgentStatus } from "./status.ts";
import type { TrustStore } from "./trust-store.ts";
import type { PostJson } from "./updates/fleet-lock.ts";
import type { UpdatesStore } from "./updates/ports.ts";
import type { Verification } from "./verification.ts";

/** What one verification comes to; `undefined` damage: the image is whole. */
export interface VerificationResult {
  readonly damage?: string;
}
export interface VerificationProgress {
  /** Data blocks that are known to be whole. */
  readonly blocks: number;
  /** Bytes, of the whole image. */
  readonly done: number;
  readonly total: number;
}

export interface MachineConfigPorts {
  /** As it was read last. */
  readonly now: () => BootConfig;
  /** Reads it again: something may have changed it. Never throws. */
  readonly read: () => Promise<void>;
  readonly work: DoConfigWork;
}

export interface AgentPorts {
  readonly pid: number;
  readonly facts: RunFacts;
  readonly machineConfig: MachineConfigPorts;
  readonly stages: StageControl;
  readonly machine: AgentStatus["machine"];
  /** Of the kernel. */
  readonly bootId: string;
  /** None where the boot came from no disk. */
  readonly record: BootRecordStore | undefined;
  readonly store: StateStore;
  /** Who has changed what. */
  readonly audit: AuditLog;
  /** Whose releases this machine takes. */
  readonly trust: TrustStore;
  readonly init: InitSystem;
  readonly logs: LogSources;
  /** CRC-32 of the last words that are there now. */
  readonly lastWordsId: () => Promise<string | undefined>;
  readonly recoveryPlan: RecoveryPlan;
  /** Runs every check once. */
  readonly check: (state: AgentState, degraded: ReadonlySet<DataPartition>, signal: AbortSignal) => Promise<CheckReport>;
  readonly failedUnits: () => Promise<readonly string[]>;
  readonly mounted: (partition: DataPartition) => Promise<MountedData | undefined>;
  /** Verifies an image from the disk; progress at least every few seconds. @throws AppError when it cannot be looked at */
  readonly verify: (
    what: Verification,
    recovery: RecoveryFile,
    progress: (progress: VerificationProgress) => void,
    signal: AbortSignal,
  ) => Promise<VerificationResult>;
  /** What operations do to images. */
  readonly images: ImagePorts;
  readonly slotStore: SlotStore;
  /** What a system that runs from memory can be installed to. */
  readonly install: InstallPorts;
  /** Where somebody may have said so beforehand. */
  readonly installSources: InstallSources;
  /** Its image, or whoever has started it, says that it waits for an owner as long as it has none. */
  readonly waitsForOwner: boolean;
  /** Fingerprint of the machine's key, which is made where the oem partition, or what is there in its place, has none. @throws Error where it can be neither read nor made */
  readonly fingerprint: () => Promise<string>;
  readonly resetDisk: ResetDisk;
  /** What updates need besides what others do. */
  readonly updates: {
    readonly store: () => Promise<UpdatesStore>;
    /** What keeps the machine from restarting by itself. */
    readonly locks: {
      readonly read: () => Promise<FoundLocks>;
      /** @param lock that ends in so many seconds; in place of one of the same name */
      readonly set: (lock: FoundLocks["locks"][number]) => Promise<void>;
      /** @returns whether there was one */
      readonly remove: (name: string) => Promise<boolean>;
    };
    readonly post: PostJson;
    /** The bytes of the line to the world cost money, as far as anybody knows. */
    readonly isMetered: (signal: AbortSignal) => Promise<boolean>;
  };
  /** The end of its certificate, in seconds since 1970; nothing where it has none that an owner has made. */
  readonly certificateEnds: () => Promise<number | undefined>;
  /** Where nobody else looks after it. */
  readonly watchdog: HardwareWatchdog | undefined;
  /** Room on the persistent partition for what the next boot makes there. */
  readonly keepReserve: () => Promise<void>;
  /** Remembers what the copies in persistent folders were made from. */
  readonly recordCopies: (signal: AbortSignal) => Promise<void>;
  /** Makes the machine's own time less likely to be everybody's: 0 … 1. */
  readonly jitter: number;
  /** Seconds since 1970. */
  readonly now: () => number;
  /** Otherwise it is only known not to be earlier: nobody has told the machine what day it is. */
  readonly clockIsSet: () => Promise<ClockFinding>;
  /** Milliseconds since the kernel's start. */
  readonly uptime: () => number;
  readonly sha256: Pick<Sha256, "digest">;
  readonly random: (bytes: number) => Uint8Array;
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
  /** A line in the journal; an alarm also shows on every console. An event is told with it. */
  readonly log: (level: "info" | "alarm", line: string, event?: MachineEvent) => void;
}
