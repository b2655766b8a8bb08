/** @portable How a boot ends that cannot go on: it says why, leaves its last words, and restarts. It never asks. */
import { AppError } from "../core/error.ts";
import { targetName } from "../layout/cmdline.ts";
import { encodeLastWords } from "../layout/last-words.ts";
import { LAST_WORDS_OFFSET } from "../layout/record.ts";
import { partitionDevice } from "./block-devices.ts";
import type { Known } from "./boot.ts";
import type { Sys } from "./sys.ts";

const DEFAULT_PANIC_SECONDS = 5;

export function fail(sys: Sys, { arguments: args, disk }: Known, error: unknown): never {
  const reason = sentence(error);
  const seconds = args?.panicSeconds ?? DEFAULT_PANIC_SECONDS;
  sys.log("error", `${args ? targetName(args.slot) : "this boot"} does not start: ${reason}. Restarting in ${seconds} s.`);
  if (disk) {
    try {
      leaveLastWords(sys, disk, args?.slot, reason);
    } catch (cause) {
      sys.log("error", `the last words could not be stored: ${sentence(cause)}`);
    }
  }
  sys.sync();
  sys.pause(seconds * 1000); // for whoever looks at the screen
  return sys.reboot();
}

function leaveLastWords(sys: Sys, disk: NonNullable<Known["disk"]>, slot: string | undefined, reason: string): void {
  const record = disk.gpt.partitions.find(({ name }) => name === "record");
  const device = record && partitionDevice(sys, disk.name, record);
  if (!device) return;
  const file = sys.open(device, "direct");
  sys.writeAt(file, LAST_WORDS_OFFSET, encodeLastWords({ ...(slot ? { slot } : {}), reason, log: sys.kernelLog() }));
  sys.syncFile(file);
  sys.close(file);
}

/** An expected failure is a sentence; of a bug, the place is what helps. */
export function sentence(error: unknown): string {
  if (error instanceof AppError) return [error.message, error.hint].filter(Boolean).join(". ").replace(/\.$/, "");
  if (!(error instanceof Error)) return String(error);
  return `${error.message} (${(error.stack ?? "")
    .trim()
    .split("\n")
    .slice(0, 3)
    .map((line) => line.trim())
    .join(" ")})`;
}
