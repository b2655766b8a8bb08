/** What running stages sees of a machine, and does to it. */
import type { FetchedFile } from "../../config/machine/compile/stage-plan.ts";
import type { ConditionFacts } from "../../config/machine/conditions.ts";
import type { InitKind } from "../../config/words.ts";
import type { InstanceStore } from "../../host/instance-store.ts";
import type { TreeEntry } from "../../layout/compiled-config.ts";
import type { MachineEvent } from "../../layout/events.ts";
import type { AccountTexts } from "../../layout/merge-accounts.ts";
import type { PersistentIds } from "../../layout/persistent-ids.ts";
import type { LayPorts } from "../config/lay-change.ts";

export interface StagePorts extends LayPorts {
  readonly init: InitKind;
  readonly facts: Omit<ConditionFacts, "has" | "init">;
  /** Whether anything is at a path, links followed. */
  readonly has: (path: string) => Promise<boolean>;
  /** Nothing where there is none. @throws NodeJS.ErrnoException */
  readonly read: (path: string) => Promise<string | undefined>;
  /** What is another than an entry says, in a few words; nothing where it is so. */
  readonly difference: (entry: TreeEntry) => Promise<string | undefined>;
  /** Of the running system; Latin-1. */
  readonly accounts: () => Promise<AccountTexts>;
  readonly remembered: () => PersistentIds;
  readonly remember: (ids: PersistentIds) => Promise<void>;
  readonly setParameter: (name: string, value: string) => Promise<void>;
  /** Puts the file where it goes. @throws AppError */
  readonly download: (file: FetchedFile) => Promise<void>;
  readonly disks: DiskPorts;
  readonly instance: Pick<InstanceStore, "record" | "problems" | "note">;
  /** Aborted when the machine is stopped, or somebody stops the stage. */
  readonly stopping: AbortSignal;
  readonly sha256: (text: string) => string;
  /** Milliseconds of a clock that nobody sets. */
  readonly uptime: () => number;
  /** Seconds since 1970. */
  readonly now: () => number;
  /** A line in the journal. `output`: of a program that was started. */
  readonly log: (level: "info" | "error" | "output", line: string, event?: MachineEvent) => void;
}

/** What partitions disks and makes file systems. */
export interface DiskPorts {
  /** The system's own; nothing of a boot that came from none. */
  readonly own: string | undefined;
  /** What a path below /dev leads to, or the device whose file system has a label; nothing where there is none. @throws AppError */
  readonly find: (device: { readonly path: string } | { readonly label: string }) => Promise<string | undefined>;
  /** `lsblk --json` of all devices. */
  readonly list: () => Promise<string>;
  /** Tables and file systems that a device has signatures of, a phrase each. @throws CommandError where it cannot be read */
  readonly signatures: (path: string) => Promise<readonly string[]>;
  /** Ends when nobody looks at devices that have just been changed. */
  readonly settle: () => Promise<void>;
  /** Has udev look at a device: it may have been at it already, and have missed what was written to it since. */
  readonly changed: (path: string) => Promise<void>;
}
