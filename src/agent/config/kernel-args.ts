/** The agent's part in kernel arguments: it tells the boot loader what the configs of the running slot want, and ends trials. docs/concepts/config.md */
import type { RecordChange, RecordFacts } from "../../layout/record-change.ts";
import { FULL_TRIES } from "../../layout/slots.ts";
import type { World } from "../world.ts";
import { isArgsTrial, nextKernelArgsStep, type KernelArgsFacts, type KernelArgsStep } from "./kernel-args-step.ts";

export interface KernelArgsDesk {
  /** This boot is there to try some: whether it is healthy decides. */
  readonly isTrial: () => boolean;
  /** Stores whatever follows from the configs. @returns the trial that is to be given back, if there is one */
  readonly settle: () => Promise<Extract<KernelArgsStep, { readonly do: "refuse" }> | undefined>;
  /** No boot tries them any more. */
  readonly endTries: () => Promise<void>;
}

/** More than any situation takes. */
const MOST_STEPS = 6;

export function openKernelArgs(world: Pick<World, "ports" | "running" | "record" | "changeRecord">): KernelArgsDesk {
  const { ports, running } = world;

  /** Nothing where kernel arguments are nobody's business. */
  const facts = (): KernelArgsFacts | undefined => {
    const { args: stored, tries } = world.record;
    const { kernelArgs: wanted, config } = ports.machineConfig.now();
    if (!stored || !wanted || (running !== "a" && running !== "b")) return undefined;
    return { slot: running, stored, tries, wanted, booted: ports.facts.trial, laid: config?.generation };
  };
  const next = (): KernelArgsStep => {
    const found = facts();
    return found ? nextKernelArgsStep(found) : { do: "nothing" };
  };

  return {
    isTrial: () => {
      const found = facts();
      return found !== undefined && isArgsTrial(found);
    },
    settle: async () => {
      for (let steps = 0; steps < MOST_STEPS; steps++) {
        const step = next();
        if (step.do === "nothing") return undefined;
        if (step.do === "refuse") return step;
        const { args } = step.do === "store" ? step : {};
        await world.changeRecord((found) => (args ? { args } : grant(found)));
      }
      return undefined; // the disk does not take it, which is an alarm already
    },
    endTries: async () => await world.changeRecord(({ tries }) => (tries?.args ? { tries: { ...tries, args: 0 } } : {})),
  };
}

const grant = ({ tries }: RecordFacts): RecordChange => (tries ? { tries: { ...tries, args: FULL_TRIES.trial } } : {});
