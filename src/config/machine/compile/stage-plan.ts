/** @portable What the stages of a running system have to do, ready to be done: what could be decided is. Written with a generation: docs/formats/stages.md */
import type { CompiledAccounts, TreeEntry } from "../../../layout/compiled-config.ts";
import type { CommandLine, ConfiguredDisk, ConfiguredFileSystem, NodeConfig } from "../node-config.ts";
import type { AddedPartitions, StageName, StepConditions } from "../stages.ts";

/** JSON. Secret: it has what files hold, and variables. */
export interface StagePlan {
  readonly stages: Readonly<Partial<Record<StageName, readonly StageStep[]>>>;
  readonly once: Once;
  /** Of every command. */
  readonly environment: Readonly<Record<string, string>>;
  readonly drift: NodeConfig["drift"];
}
/** Once for each instance: disks and file systems before the stage `fs`, commands after the stage `network`. */
export interface Once {
  readonly disks: readonly ConfiguredDisk[];
  readonly fileSystems: readonly ConfiguredFileSystem[];
  /** Mount units that a boot starts: they have failed where their file system is only being made. */
  readonly mounts: readonly string[];
  readonly commands: readonly CommandLine[];
}

/** Done in the order of these fields, commands last: what they need is there. */
export interface StageStep {
  readonly name: string;
  /** Of the document's own keys (`bootcmd`, `write_files`): whatever becomes of other steps. */
  readonly own: boolean;
  readonly conditions: StepConditions;
  /** Names of steps of the same stage. */
  readonly after: readonly string[];
  readonly onError: "fail" | "continue";
  readonly layout?: AddedPartitions;
  readonly accounts: CompiledAccounts;
  readonly entries: readonly TreeEntry[];
  readonly lines: readonly KeptLines[];
  readonly fetched: readonly FetchedFile[];
  readonly hostname?: string;
  readonly sysctl: Readonly<Record<string, string>>;
  readonly modules: readonly string[];
  readonly units: Readonly<Record<"stop" | "restart" | "start", readonly string[]>>;
  /** Of its commands, besides those of all. */
  readonly environment: Readonly<Record<string, string>>;
  readonly commands: readonly CommandLine[];
}

/** A file that has these lines, whatever else it has. */
export interface KeptLines {
  readonly path: string;
  readonly when: TreeEntry["when"];
  readonly owner: string;
  /** Of a file that is made. */
  readonly mode: number;
  /** @property begin another line that begins so is replaced */
  readonly lines: readonly { readonly line: string; readonly begin?: string }[];
}
export interface FetchedFile {
  readonly path: string;
  readonly when: TreeEntry["when"];
  /** Secret. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Hex. */
  readonly sha256?: string;
  readonly mode: number;
  readonly owner: string;
  readonly append: boolean;
}
