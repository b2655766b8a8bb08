/** What a running system has of a machine config, as the agent is to know it. */
import { fileExists, readText } from "../../host/files.ts";
import { openGenerationStore, type GenerationStore } from "../../host/generation-store.ts";
import type { ConfigTrial, GenerationNumber, SlotConfig } from "../../layout/generations.ts";
import { NO_KERNEL_ARGS, type KernelArgs } from "../../layout/kernel-args.ts";
import type { UpdatesConfig } from "../../config/updates/updates-config.ts";
import { HEALTH_PLAN_PATH, type HealthPlan } from "../../layout/health-plan.ts";
import { planOfBoot } from "../../layout/plan-of-boot.ts";
import { CONFIG_HALF_PATH, parseRunConfig, RUN_CONFIG_PATH, type RunConfig } from "../../layout/run-config.ts";
import type { RunFacts } from "../../layout/run-facts.ts";
import { readAbout, readKernelArgs, readUpdates } from "./generation-files.ts";
import type { WantedKernelArgs } from "./kernel-args-step.ts";
import { configPlace } from "./place.ts";

const HOSTNAME = "/etc/hostname";

const AWAITED = "somebody who is asked for it over the network has not answered yet, and is asked again; runcmd waits for that";

export interface BootConfig {
  /** Its notes, and what was left out of it; absent where the initrd left nothing. */
  readonly config?: RunConfig;
  /** Of the running system. The kernel's is another in the agent's sandbox; absent where none is configured. */
  readonly hostname?: string;
  /** The checks that there are with it. */
  readonly plan: HealthPlan;
  /** A config that is laid on the running system, and is only kept when it is confirmed. */
  readonly trial?: ConfigTrial;
  /** What the configs of the slot want of the kernel's command line. */
  readonly kernelArgs?: WantedKernelArgs;
  /** How the machine keeps itself current. */
  readonly updates?: UpdatesConfig;
  /** Some of where it may come from has never answered yet. */
  readonly awaits?: true;
  /** One was being laid: by somebody who is at it, or was when that was cut short. */
  readonly isHalf?: true;
  /** What is not as it should be, a sentence each. */
  readonly notes: readonly string[];
}

/** Never throws. */
export async function readBootConfig(facts: Pick<RunFacts, "slot">): Promise<BootConfig> {
  const config = parseRunConfig(await readText(RUN_CONFIG_PATH).catch(() => ""));
  const { plan, notes } = planOfBoot(config, await readText(HEALTH_PLAN_PATH).catch(() => undefined));
  if (!config) return { plan, notes };
  const isHalf = await fileExists(CONFIG_HALF_PATH);
  const hostname = (await readText(HOSTNAME).catch(() => "")).trim();
  const { folder, target } = await configPlace(facts);
  const store = await openGenerationStore(folder);
  const about = config.generation === undefined ? undefined : await readAbout(store, config.generation).catch(() => undefined);
  const updates =
    config.generation === undefined ? undefined : await readUpdates(store, config.generation).catch(() => undefined);
  const slot = store.slots().slots[target];
  const { trial } = slot ?? {};
  const awaits = config.awaits === true || about?.awaits === true;
  return {
    ...{ plan, notes },
    ...(hostname === "" ? {} : { hostname }),
    config: { ...config, notes: [...new Set([...config.notes, ...(about?.problems ?? []), ...(awaits ? [AWAITED] : [])])] },
    ...(updates ? { updates } : {}),
    ...(awaits ? { awaits } : {}),
    ...(isHalf ? { isHalf } : {}),
    ...(trial?.how === "live" ? { trial } : {}),
    kernelArgs: await wantedKernelArgs(store, slot),
  };
}

async function wantedKernelArgs(store: Pick<GenerationStore, "read">, slot: SlotConfig = {}): Promise<WantedKernelArgs> {
  const { generation, trial, refused } = slot;
  const of = async (number: GenerationNumber): Promise<KernelArgs | undefined> =>
    await readKernelArgs(store, number).catch(() => undefined);
  const own = generation === undefined ? NO_KERNEL_ARGS : await of(generation);
  const tried = trial?.how === "boot" ? await of(trial.generation) : undefined;
  return {
    ...(own ? { own } : {}),
    ...(generation === undefined ? {} : { generation }),
    ...(trial?.how === "boot"
      ? { trial: { id: trial.id, generation: trial.generation, ...(tried ? { args: tried } : {}) } }
      : {}),
    ...(refused ? { refused } : {}),
  };
}
