/** @portable What keeps a machine from restarting by itself for a while: a small file of whoever wants that. Format: docs/formats/restart-lock.md */
import type { Bytes, Seconds } from "../core/units.ts";
import { RUN_FOLDER } from "./fstab.ts";
import { shortLine } from "./short-line.ts";

/** Holds one file a lock, by its name; only root can write there. */
export const RESTART_LOCKS = `${RUN_FOLDER}/locks`;
/** Longer ones would be forgotten by whoever has made them. */
export const LONGEST_LOCK: Seconds = 7 * 86_400;
/** Of such a file; more is not read. */
export const LARGEST_LOCK: Bytes = 1024;

export interface RestartLock {
  readonly name: string;
  /** Seconds since the kernel's start at which it ends, of a clock that nobody sets and that goes on while the machine sleeps. */
  readonly until: Seconds;
  /** For people. */
  readonly reason?: string;
}

/** So it can be the name of a file, and stand in a line. */
export const isLockName = (name: string): boolean => /^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$/.test(name) && !name.endsWith(".new");

export const formatRestartLock = ({ until, reason }: Pick<RestartLock, "until" | "reason">): string =>
  `${Math.ceil(until)}${reason === undefined ? "" : ` ${shortLine(reason)}`}\n`;

/** What is wrong with it, as the end of a sentence, or the lock; one that has ended is one, too. @param uptime seconds since the kernel's start */
export function parseRestartLock(name: string, text: string, uptime: Seconds): RestartLock | { readonly problem: string } {
  if (!isLockName(name)) return { problem: "has a name that no lock has" };
  const [, until, reason] = /^(\d{1,10})(?:\.\d+)?(?: (.*))?(?:\n|$)/.exec(text) ?? [];
  if (until === undefined)
    return { problem: "does not begin with the time at which it ends, in seconds since the kernel's start" };
  if (Number(until) > uptime + LONGEST_LOCK) return { problem: "would last longer than 7 days" };
  const words = reason === undefined ? "" : shortLine(reason);
  return { name, until: Number(until), ...(words !== "" && { reason: words }) };
}
