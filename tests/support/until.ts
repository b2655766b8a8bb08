/** Waiting for what comes about by itself: for it, and not for a time in which it should have. */
import { setTimeout as wait } from "node:timers/promises";

/** In which even a machine that has much else to do gets to everything; milliseconds. */
const LONG = 60_000;

/** Resolves once it is so. It gives up after a minute: what is asserted next says what is wrong then. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = performance.now() + LONG; !(await isSo()) && performance.now() < end;) await wait(10);
}

/** What a promise brings; `"nothing"` where it has brought nothing in a minute, so that a test which waits for ever says of what. */
export const orNothing = async <T>(promise: Promise<T>): Promise<T | "nothing"> =>
  await Promise.race([promise, wait(LONG, "nothing" as const, { ref: false })]);
