import type { ChildProcess } from "node:child_process";

/**
 * Signals everything a program has started, for a child spawned `detached`; nothing happens when none of it is left.
 *
 * The leader alone is not enough: bubblewrap's first process inside waits for ever when the one outside is killed too early.
 */
export function killGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
