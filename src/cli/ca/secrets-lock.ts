import { join } from "node:path";
import { AppError } from "../../core/error.ts";
import { takeLock } from "../../host/lock-file.ts";
import { wait } from "../../host/wait.ts";

/** Milliseconds: a change takes a few. */
const PATIENCE_MS = 10_000;
const PAUSE_MS = 20;

/** Changes something in a folder of secrets while no other process does. @throws AppError `SECRETS_BUSY` */
export async function inTurn<T>(folder: string, signal: AbortSignal, change: () => Promise<T>): Promise<T> {
  for (let waited = 0; waited < PATIENCE_MS; waited += PAUSE_MS) {
    await using lock = await takeLock(join(folder, "lock"));
    if (lock) return await change();
    await wait(PAUSE_MS, signal);
  }
  throw new AppError("SECRETS_BUSY", `another program changes ${folder}, and does not end`, { hint: "Try again later." });
}
