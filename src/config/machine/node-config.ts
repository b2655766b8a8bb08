/**
 * @portable What the machine config comes to once it has been checked and merged, however it was written: the one form that is compiled for an image.
 * docs/formats/machine-config.md
 */
import type { HealthPlan } from "../../layout/health-plan.ts";
import type { InstallWish } from "../../layout/install-words.ts";
import type { KernelArgs } from "../../layout/kernel-args.ts";
import type { UpdatesConfig } from "../updates/updates-config.ts";
import type { StageName, Step } from "./stages.ts";

/** Lists keep the order in which they were written. Nothing here has a default of another machine: what is absent is the image's. */
export interface NodeConfig {
  readonly hostname?: string;
  /** Without the host name. */
  readonly fqdn?: string;
  /** Whether `/etc/hosts` has a line for the host name. */
  readonly manageEtcHosts?: boolean;
  readonly users: readonly ConfiguredUser[];
  readonly groups: readonly ConfiguredGroup[];
  /** Its name, where the config says it. Default: the image's first ordinary user, else root. */
  readonly defaultUser?: string;
  /** Of the default user. */
  readonly authorizedKeys: readonly string[];
  /** Whether an SSH server takes passwords. */
  readonly sshPasswords?: boolean;
  /** Whether root may log in over SSH. */
  readonly sshRoot?: boolean;
  readonly files: readonly ConfiguredFile[];
  /** Each boot, early: a line for a shell, or a program with its arguments. */
  readonly bootCommands: readonly CommandLine[];
  /** Once per instance, after the network is up. */
  readonly runCommands: readonly CommandLine[];
  readonly ntp?: NtpConfig;
  /** A name of tzdata: `Europe/Berlin`. */
  readonly timezone?: string;
  /** `en_GB.UTF-8` */
  readonly locale?: string;
  readonly keyboard?: { readonly layout: string; readonly model?: string; readonly variant?: string; readonly options?: string };
  /** Netplan's `network` mapping, checked, version 2. */
  readonly network?: unknown;
  readonly certificates?: { readonly removeDefaults: boolean; readonly trusted: readonly string[] };
  readonly proxy?: { readonly http?: string; readonly https?: string; readonly none: readonly string[] };
  readonly sysctl: Readonly<Record<string, string>>;
  readonly modules: readonly ConfiguredModule[];
  /** Of every login and of every service. */
  readonly environment: Readonly<Record<string, string>>;
  readonly units: readonly ConfiguredUnit[];
  readonly containers: readonly ConfiguredContainer[];
  /** Whether the data partition grows to the end of the disk; default: it does. */
  readonly grow?: boolean;
  /** Once per instance, in this order: partitions, then file systems. */
  readonly disks: readonly ConfiguredDisk[];
  readonly fileSystems: readonly ConfiguredFileSystem[];
  readonly mounts: readonly ConfiguredMount[];
  /** Folders that keep what is written to them, besides the image's. */
  readonly persistent: readonly string[];
  /** Added to the image's own checks; a check of the same name takes the image's place. */
  readonly health?: Partial<HealthPlan> & Pick<HealthPlan, "checks">;
  readonly kernelArgs?: KernelArgs;
  readonly install: InstallWish;
  readonly api?: ApiConfig;
  readonly updates?: UpdatesConfig;
  readonly drift: "report" | "mend" | "off";
  readonly stages: Readonly<Partial<Record<StageName, readonly Step[]>>>;
}

/** A line for `/bin/sh -c`, or a program and its arguments. */
export type CommandLine = string | readonly string[];

export interface ConfiguredUser {
  readonly name: string;
  /** Default: kept from before, else the next that is free. */
  readonly uid?: number;
  readonly gecos?: string;
  readonly home?: string;
  readonly shell?: string;
  readonly primaryGroup?: string;
  readonly groups: readonly string[];
  readonly isSystem: boolean;
  readonly noHome: boolean;
  /** crypt(5). Secret. Absent: no password login; of a user of the image: as it is there. */
  readonly passwordHash?: string;
  readonly isLocked: boolean;
  readonly authorizedKeys: readonly string[];
  /** Lines of sudoers(5) without the user's name: `ALL=(ALL) NOPASSWD:ALL`. */
  readonly sudo: readonly string[];
  /** Days since 1970; shadow(5). */
  readonly expires?: number;
}

/** A disk that is not the system's. */
export interface ConfiguredDisk {
  readonly device: string;
  readonly table: "gpt" | "mbr";
  /** Percentages of the disk; none: an empty table. */
  readonly partitions: readonly number[];
  /** Otherwise one that holds anything is left alone. */
  readonly overwrite: boolean;
}
export interface ConfiguredFileSystem {
  readonly device: string;
  /** `auto`: the one whose file system has the label, else the device itself. */
  readonly partition: number | "none" | "auto";
  readonly type: "ext4" | "vfat";
  readonly label?: string;
  /** Otherwise one that is there is left alone. */
  readonly overwrite: boolean;
}
/** A line of fstab(5). */
export interface ConfiguredMount {
  readonly what: string;
  readonly where: string;
  readonly type: string;
  readonly options: string;
  readonly pass: number;
}

export interface ConfiguredGroup {
  readonly name: string;
  readonly gid?: number;
  readonly members: readonly string[];
}

export interface ConfiguredFile {
  readonly path: string;
  readonly content: FileContent;
  /** Permission bits. */
  readonly mode: number;
  /** `user:group`, names or numbers. */
  readonly owner: string;
  readonly append: boolean;
  /** After users were made and programs started: cloud-init's `defer`. */
  readonly defer: boolean;
}
/** Base64 as in RFC 4648; whatever encoding it was written in is undone. Secret. */
export type FileContent = { readonly text: string } | { readonly base64: string } | FileSource;
export interface FileSource {
  readonly url: string;
  /** Hex; what comes must have it. */
  readonly sha256?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface NtpConfig {
  readonly enabled: boolean;
  readonly servers: readonly string[];
  readonly pools: readonly string[];
}

export interface ConfiguredModule {
  readonly name: string;
  readonly options?: string;
  /** It is never loaded. */
  readonly blacklist: boolean;
}

export interface ConfiguredUnit {
  readonly name: string;
  readonly content?: string;
  readonly dropIns: readonly { readonly name: string; readonly content: string }[];
  readonly enabled?: boolean;
  readonly masked?: boolean;
}

/** A service whose program comes from an OCI image. */
export interface ConfiguredContainer {
  readonly name: string;
  readonly image: string;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly ports: readonly string[];
  readonly volumes: readonly string[];
  readonly network?: string;
  readonly restart: "always" | "on-failure" | "no";
  readonly readOnly: boolean;
  readonly user?: string;
  /** Further lines of podman-systemd.unit(5), as `[Section]` → lines. */
  readonly quadlet: Readonly<Record<string, readonly string[]>>;
}

export interface ApiConfig {
  /** Where somebody signs for the machine's authority: `HOST` or `HOST:PORT`. */
  readonly authority: string;
  /** Secret. */
  readonly join?: string;
}
