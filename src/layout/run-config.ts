/** @portable What this boot has of a machine config: `/run/petrify/config.json` and what lies beside it. docs/formats/run-config.md */
import type { TreeEntry } from "./compiled-config.ts";
import { RUN_FOLDER } from "./fstab.ts";
import type { GenerationNumber } from "./generations.ts";
import type { HealthPlan } from "./health-plan.ts";
import type { AccountTexts, Home } from "./merge-accounts.ts";
import type { Id, PersistentIds } from "./persistent-ids.ts";

/** For root only. */
export const RUN_CONFIG_PATH = `${RUN_FOLDER}/config.json`;
/** Is there when a config has to be made: why, in a few words. */
export const CONFIG_WANTED = `${RUN_FOLDER}/config-wanted`;
/** Is there when something belongs on data partitions; for root only, and removed once it is there. */
export const CONFIG_DATA_PATH = `${RUN_FOLDER}/config-data.json`;
/** What a new config changes, while `petrify-early lay` lays it; for root only. */
export const CONFIG_LAY_PATH = `${RUN_FOLDER}/config-lay.json`;
/** Is there while a generation is laid on the running system: its number. */
export const CONFIG_HALF_PATH = `${RUN_FOLDER}/config-half`;
/** Whoever changes the config of this machine holds it. */
export const CONFIG_LOCK = `${RUN_FOLDER}/config.lock`;
const FORMAT = 1;

/** What a stage belongs to, and is run with: `fs` of `fs.before`. */
export const runOf = (stage: string): string => stage.replace(/\..*/, "");
/** Is there when a run has something to do; its service is not started otherwise. */
export const stageMark = (run: string): string => `${RUN_FOLDER}/stage-${run}`;

/** What was laid down. Nothing of it is secret but what a health check says. */
export interface RunConfig {
  /** Absent where none was. */
  readonly generation?: GenerationNumber;
  /** SHA-256 of the effective config. */
  readonly config?: string;
  /** Of the trial that this boot is. */
  readonly trial?: string;
  /** Why one has to be made. */
  readonly wanted?: string;
  /** There is none, and there may be one once the network is asked. */
  readonly awaits?: true;
  /** What of it could not be done, a sentence each. */
  readonly notes: readonly string[];
  /** In place of the image's. */
  readonly health?: HealthPlan;
  readonly stages: readonly string[];
  /** Numbers of the users and groups that the image does not have. */
  readonly users: Readonly<Record<string, Id>>;
  readonly groups: Readonly<Record<string, Id>>;
  /** Milliseconds that it took. */
  readonly tookMs: number;
}
export const NO_RUN_CONFIG: RunConfig = { notes: [], stages: [], users: {}, groups: {}, tookMs: 0 };

/** What is laid down in a running system: at boot, once data partitions are mounted; later, whatever a new config changes. */
export interface ConfigData {
  /** Texts of files of `/etc`, Latin-1; those that are missing stay. */
  readonly accounts?: AccountTexts;
  /** Folders that keep what is written to them from then on, besides those that do already. */
  readonly persistent?: readonly string[];
  readonly homes: readonly Home[];
  readonly entries: readonly TreeEntry[];
}

export const encodeRunConfig = (config: RunConfig): string => `${JSON.stringify({ format: FORMAT, ...config })}\n`;
/** Of this boot, so nothing but the format is checked. @returns nothing for what cannot be read */
export const parseRunConfig = (text: string): RunConfig | undefined => parse(text) as RunConfig | undefined;
export const encodeConfigData = (data: ConfigData): string => `${JSON.stringify({ format: FORMAT, ...data })}\n`;
/** The same. */
export const parseConfigData = (text: string): ConfigData | undefined => parse(text) as ConfigData | undefined;

export const configuredIds = ({ users, groups }: RunConfig): PersistentIds => ({
  user: new Map(Object.entries(users)),
  group: new Map(Object.entries(groups)),
});

function parse(text: string): unknown {
  try {
    const { format, ...value } = JSON.parse(text) as { readonly format?: unknown };
    return format === FORMAT ? value : undefined;
  } catch {
    return undefined;
  }
}
