import type { InitSystem } from "../../host/init-system.ts";
import { failed, PASSED, type CheckOutcome } from "./check.ts";

/** Everything that a boot starts has been started: multi-user mode, or whatever the image's default is. */
export async function checkTarget(init: Pick<InitSystem, "booted">, signal: AbortSignal): Promise<CheckOutcome> {
  const { done, waitingFor } = await init.booted(signal);
  return done ? PASSED : failed(`waits for ${waitingFor}`);
}
