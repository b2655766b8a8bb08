/** A running system, as a machine config is laid on it: what this boot has, the program that lays, the kernel's host name. */
import { rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { EARLY_PROGRAM } from "../layout/fstab.ts";
import { generationOf, type GenerationNumber } from "../layout/generations.ts";
import {
  CONFIG_HALF_PATH,
  CONFIG_LAY_PATH,
  CONFIG_WANTED,
  encodeConfigData,
  encodeRunConfig,
  NO_RUN_CONFIG,
  parseRunConfig,
  RUN_CONFIG_PATH,
  type ConfigData,
  type RunConfig,
} from "../layout/run-config.ts";
import { readText, removeFile } from "./files.ts";
import { replaceFile } from "./replace-file.ts";
import type { Run } from "./run.ts";
import { markStages } from "./stage-marks.ts";

export interface ConfigMachine {
  /** What this boot has of a config; {@link NO_RUN_CONFIG} where nothing tells. */
  readonly running: () => Promise<RunConfig>;
  readonly nowRuns: (config: RunConfig) => Promise<void>;
  /** None has to be made any more. */
  readonly noneWanted: () => Promise<void>;
  /** The generation that was being laid when that was cut short. */
  readonly half: () => Promise<GenerationNumber | undefined>;
  readonly nowLaying: (generation: GenerationNumber | undefined) => Promise<void>;
  /** @returns what could not be done, a sentence each @throws CommandError */
  readonly lay: (data: ConfigData) => Promise<readonly string[]>;
  /** One that is not empty, or not there, is left alone. */
  readonly removeEmptyFolder: (path: string) => Promise<void>;
  readonly setHostname: (name: string) => Promise<void>;
}

const PRIVATE = 0o600;
const KERNEL_HOSTNAME = "/proc/sys/kernel/hostname";
/** Large disks take their time. */
const LAY_LIMIT_MS = 300_000;

/** @param root where the running system is: `/` */
export function configMachine(run: Run, root: string): ConfigMachine {
  const at = (path: string): string => join(root, path);
  const leave = async (path: string, text: string): Promise<void> => await replaceFile(at(path), text, PRIVATE);
  return {
    running: async () => parseRunConfig((await readIfThere(at(RUN_CONFIG_PATH))) ?? "") ?? NO_RUN_CONFIG,
    nowRuns: async (config) => {
      await leave(RUN_CONFIG_PATH, encodeRunConfig(config));
      await markStages(root, config.stages);
    },
    noneWanted: async () => await removeFile(at(CONFIG_WANTED)),
    half: async () => generationOf(((await readIfThere(at(CONFIG_HALF_PATH))) ?? "").trim()),
    nowLaying: async (generation) =>
      generation === undefined ? await removeFile(at(CONFIG_HALF_PATH)) : await leave(CONFIG_HALF_PATH, `${generation}\n`),
    lay: async (data) => {
      await leave(CONFIG_LAY_PATH, encodeConfigData(data));
      try {
        const { stdout } = await run([EARLY_PROGRAM, "lay", CONFIG_LAY_PATH], { timeoutMs: LAY_LIMIT_MS });
        return JSON.parse(stdout) as readonly string[];
      } finally {
        await removeFile(at(CONFIG_LAY_PATH)); // it may hold secrets
      }
    },
    removeEmptyFolder: async (path) => await rmdir(at(path)).catch(unlessKept),
    // The kernel's own: nothing can be put in its place.
    setHostname: async (name) => await writeFile(at(KERNEL_HOSTNAME), name),
  };
}

async function readIfThere(path: string): Promise<string | undefined> {
  return await readText(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
}

function unlessKept(error: NodeJS.ErrnoException): void {
  if (!["ENOENT", "ENOTEMPTY", "EEXIST", "ENOTDIR", "EBUSY"].includes(error.code ?? "")) throw error;
}
