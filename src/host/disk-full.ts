import { AppError } from "../core/error.ts";
import { CommandError } from "./run.ts";

const SAID = /No space left on device|Disk full|don't have enough free space|ENOSPC/i;

/** Whether a failure, or what caused it, is a file system without space; programs say so in words. */
function isDiskFull(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    if ("code" in at && at.code === "ENOSPC") return true;
    if (SAID.test(at.message)) return true;
    if (at instanceof CommandError && SAID.test(at.result?.stderr ?? "")) return true;
  }
  return false;
}

/**
 * Runs work that writes below `place`, telling a full disk from every other failure.
 *
 * @throws AppError `DISK_FULL`
 */
export async function writingTo<T>(place: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if ((cause instanceof AppError && cause.code === "DISK_FULL") || !isDiskFull(cause)) throw cause;
    throw new AppError("DISK_FULL", `there is no space left for ${place}`, {
      hint: "Free some space there, or choose another place.",
      cause,
    });
  }
}
