/** @portable Which health checks a boot has: the machine config's, else the image's. Pure. */
import { encodeHealthPlan, parseHealthPlan, type FoundHealthPlan } from "./health-plan.ts";
import type { RunConfig } from "./run-config.ts";

/** Never throws. @param ofImage the image's file; `undefined` when there is none */
export const planOfBoot = (config: RunConfig | undefined, ofImage: string | undefined): FoundHealthPlan =>
  parseHealthPlan(config?.health ? encodeHealthPlan(config.health) : ofImage);
