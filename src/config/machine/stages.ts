/** @portable Stages and their steps, in the manner of yip. docs/concepts/stages.md */
import type { CommandLine, ConfiguredFile, ConfiguredGroup, ConfiguredModule, ConfiguredUser, NtpConfig } from "./node-config.ts";

/** In the order of a boot. `rootfs` and `initramfs` are laid down before process 1 starts, and have no commands. */
const BOOT_STAGES = ["rootfs", "initramfs", "fs", "boot", "network"] as const;
/** Besides those of a boot. */
const OTHER_STAGES = [
  "reconcile",
  "before-install",
  "after-install",
  "before-upgrade",
  "after-upgrade",
  "before-reset",
  "after-reset",
] as const;
const MOMENTS = ["", ".before", ".after"] as const;

type BootStage = (typeof BOOT_STAGES)[number];
/** Each stage of a boot, and `reconcile`, has a part before it and one after it. */
export type StageName =
  | `${BootStage | "reconcile"}${(typeof MOMENTS)[number]}`
  | Exclude<(typeof OTHER_STAGES)[number], "reconcile">;

export const STAGE_NAMES: readonly StageName[] = [...BOOT_STAGES, ...OTHER_STAGES].flatMap((stage): StageName[] =>
  stage.includes("-") ? [stage as StageName] : ([`${stage}.before`, stage, `${stage}.after`] as StageName[]),
);

/** Of a step that says no name. */
export const usualStepName = (stage: StageName, index: number): string => `${stage}.${index + 1}`;

/** What a step is for, and when it is passed over. Everything that is absent is done nothing about. */
export interface Step {
  /** Unique in its stage; default: `STAGE.N`, counted from 1. */
  readonly name: string;
  readonly conditions: StepConditions;
  /** Names of steps of the same stage that come before it. */
  readonly after: readonly string[];
  readonly onError: "fail" | "continue";
  readonly commands: readonly CommandLine[];
  readonly files: readonly ConfiguredFile[];
  readonly directories: readonly { readonly path: string; readonly mode: number; readonly owner: string }[];
  readonly users: readonly ConfiguredUser[];
  readonly groups: readonly ConfiguredGroup[];
  /** Public keys by the user that may log in with them, besides those of {@link users}. */
  readonly authorizedKeys: Readonly<Record<string, readonly string[]>>;
  /** Lines of passwd, group and shadow, as yip's `ensure_entities` has them. Secret. */
  readonly entities: readonly { readonly kind: "user" | "group" | "shadow" | "gshadow"; readonly line: string }[];
  readonly hostname?: string;
  readonly sysctl: Readonly<Record<string, string>>;
  readonly systemctl: Readonly<Record<"enable" | "disable" | "start" | "stop" | "restart" | "mask", readonly string[]>>;
  readonly modules: readonly ConfiguredModule[];
  readonly dns?: {
    readonly nameservers: readonly string[];
    readonly search: readonly string[];
    readonly options: readonly string[];
  };
  readonly environment: Readonly<Record<string, string>>;
  /** Default: `/etc/environment`. */
  readonly environmentFile?: string;
  readonly downloads: readonly {
    readonly path: string;
    readonly url: string;
    readonly sha256?: string;
    readonly mode: number;
    readonly owner: string;
  }[];
  readonly timesyncd?: NtpConfig;
  readonly layout?: AddedPartitions;
}

/** Partitions to be added to a disk that is not the system's: it has exactly one of a path and the label of a file system on it. */
export interface AddedPartitions {
  readonly device: { readonly path?: string | undefined; readonly label?: string | undefined };
  readonly add_partitions: readonly {
    /** A partition whose file system has it is left alone. */
    readonly fsLabel?: string | undefined;
    readonly pLabel?: string | undefined;
    /** MiB; 0: what is left. */
    readonly size: number;
    readonly filesystem: "ext4" | "vfat";
  }[];
}

/** All that are there have to hold. */
export interface StepConditions {
  /** A line for `/bin/sh -c`; holds when it ends with 0. */
  readonly command?: string;
  /** Each exists. */
  readonly files: readonly string[];
  /** One of them exists, where there are any. */
  readonly anyFile: readonly string[];
  /** None of them exists. */
  readonly noFiles: readonly string[];
  /** Regular expressions: of `ID` and `VERSION_ID` of os-release, of uname's machine, of the init (`systemd`, `openrc`). */
  readonly os?: string;
  readonly osVersion?: string;
  readonly architecture?: string;
  readonly serviceManager?: string;
}
