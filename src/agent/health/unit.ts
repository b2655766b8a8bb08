import type { InitSystem } from "../../host/init-system.ts";
import { failed, PASSED, type CheckOutcome } from "./check.ts";

/** A unit is active. One that starts, or has done its work and ended, is not. */
export async function checkUnit(init: Pick<InitSystem, "unit">, unit: string, signal: AbortSignal): Promise<CheckOutcome> {
  const { active, state } = await init.unit(unit, signal);
  return active ? PASSED : failed(`is ${state}`);
}
