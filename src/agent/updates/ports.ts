/** Everything that updates see of the machine, and can do to it. node-ports.ts is a real one. */
import type { UpdatesConfig } from "../../config/updates/updates-config.ts";
import type { MachineEvent } from "../../layout/events.ts";
import type { FinishedOperation } from "../../layout/operation.ts";
import type { KnownRelease, LeftRelease, UpdatesState } from "../../layout/updates-state.ts";
import type { UpdateFacts, UpdateStep } from "./decide.ts";

export interface UpdatesStore {
  readonly found: UpdatesState;
  /** Newer software's state: nothing is done, and nothing stored. */
  readonly isNewer: boolean;
  /** Durable when it returns. @throws NodeJS.ErrnoException */
  readonly store: (state: UpdatesState) => Promise<void>;
}

/** What a webhook is told. docs/concepts/updates.md */
export interface UpdateNews {
  readonly event: "found" | "began" | "done" | "failed";
  readonly step: UpdateStep["do"];
  /** Of the release that it is about. */
  readonly version?: string;
  readonly security?: boolean;
  /** One sentence. */
  readonly why: string;
}

export interface UpdatePorts {
  /** Of the machine config that runs; nothing where that has none. */
  readonly config: () => UpdatesConfig | undefined;
  readonly store: UpdatesStore;
  readonly facts: (wanted: KnownRelease | undefined) => Promise<UpdateFacts>;
  /** What has ended on this machine, oldest first. */
  readonly history: () => readonly FinishedOperation[];
  /** @returns what the channel names, where it is newer than what runs, or runs @throws AppError */
  readonly look: (config: UpdatesConfig, left: readonly LeftRelease[], signal: AbortSignal) => Promise<KnownRelease | undefined>;
  /** Until the image lies in the other slot, whole. @throws AppError */
  readonly download: (release: KnownRelease, signal: AbortSignal) => Promise<void>;
  /** Until the next restart boots it. @throws AppError */
  readonly stage: (release: KnownRelease, signal: AbortSignal) => Promise<void>;
  /** @throws AppError where the machine may not be restarted now */
  readonly restart: (release: KnownRelease) => Promise<void>;
  readonly lock: {
    /** @throws AppError where it is not to be had now */
    readonly take: (config: UpdatesConfig, signal: AbortSignal) => Promise<void>;
    readonly giveBack: (config: UpdatesConfig, signal: AbortSignal) => Promise<void>;
  };
  /** Whoever the config names is told; nobody waits for more than a few seconds, and it does not matter whether that comes to anything. */
  readonly tell: (config: UpdatesConfig, news: UpdateNews, signal: AbortSignal) => Promise<void>;
  /** Seconds since 1970. */
  readonly now: () => number;
  /** Seconds since the kernel's start. */
  readonly uptime: () => number;
  /** 0 … 1 */
  readonly random: () => number;
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly log: (level: "info" | "alarm", line: string, event?: MachineEvent) => void;
}
