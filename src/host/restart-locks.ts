import { constants } from "node:fs";
import { mkdir, open, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Seconds } from "../core/units.ts";
import { formatRestartLock, LARGEST_LOCK, parseRestartLock, RESTART_LOCKS, type RestartLock } from "../layout/restart-lock.ts";
import { readText } from "./files.ts";
import { replaceFile } from "./replace-file.ts";

/** What keeps a machine from restarting, as it is now. */
export interface FoundLocks {
  /** Those that hold, the one that ends last first. */
  readonly locks: readonly (Omit<RestartLock, "until"> & { readonly left: Seconds })[];
  /** Files that are no locks and keep nobody from anything, a sentence each. */
  readonly problems: readonly string[];
}

/** Seconds since the kernel's start, with the time that the machine slept. Source: proc_uptime(5); kernel/fs/proc/uptime.c, CLOCK_BOOTTIME */
const sinceStart = async (root: string): Promise<Seconds> => Number((await readText(join(root, "proc/uptime"))).split(" ")[0]);

/** @param root of the running system: `/` @throws NodeJS.ErrnoException */
export async function readRestartLocks(root: string): Promise<FoundLocks> {
  const folder = join(root, RESTART_LOCKS);
  const uptime = await sinceStart(root);
  const names = await readdir(folder).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  });
  const problems: string[] = [];
  const locks: { readonly name: string; readonly left: Seconds; readonly reason?: string }[] = [];
  for (const name of names.toSorted((a, b) => a.localeCompare(b))) {
    if (name.endsWith(".new")) continue;
    const text = await beginning(join(folder, name)).catch(() => undefined);
    if (text === undefined) continue; // it is gone by now
    const found = parseRestartLock(name, text, uptime);
    if ("problem" in found) problems.push(`${join(folder, name)} ${found.problem}: it is no lock`);
    else if (found.until > uptime) {
      const { until, ...lock } = found;
      locks.push({ ...lock, left: until - uptime });
    }
  }
  return { locks: locks.toSorted((a, b) => b.left - a.left), problems };
}

/** In place of one of the same name. @param lock whose `until` is in so many seconds @throws NodeJS.ErrnoException */
export async function setRestartLock(root: string, { name, left, reason }: FoundLocks["locks"][number]): Promise<void> {
  const folder = join(root, RESTART_LOCKS);
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const until = (await sinceStart(root)) + left;
  await replaceFile(join(folder, name), formatRestartLock({ until, ...(reason !== undefined && { reason }) }));
}

/** @returns whether there was one @throws NodeJS.ErrnoException */
export async function removeRestartLock(root: string, name: string): Promise<boolean> {
  try {
    await rm(join(root, RESTART_LOCKS, name));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

/** Somebody may have put anything there: a pipe would be waited for, until somebody writes to it. */
async function beginning(path: string): Promise<string> {
  await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  if (!(await file.stat()).isFile()) return "";
  const { buffer, bytesRead } = await file.read(Buffer.alloc(LARGEST_LOCK), 0, LARGEST_LOCK, 0);
  return buffer.toString("utf8", 0, bytesRead);
}
