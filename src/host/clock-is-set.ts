import { fileExists, readText } from "./files.ts";

/** Of systemd-timesyncd, once it has heard from a server. Source: systemd-timesyncd.service(8), "Files" */
const SYNCHRONIZED = "/run/systemd/timesync/synchronized";
/** Counts on without power, where it has a battery. Source: kernel docs, admin-guide/rtc */
const HARDWARE_CLOCK = "/sys/class/rtc/rtc0/since_epoch";
/** The hardware's clock may have the local time. Seconds. */
const APART = 24 * 3600;

export interface ClockPlaces {
  readonly synchronized?: string;
  readonly hardware?: string;
}

/**
 * Whether a machine knows what day it is. At boot the clock was set forward to the last time that was known, if it was before that: then it is apart from the
 * hardware's clock, until somebody sets it.
 *
 * @param now seconds since 1970
 */
export async function clockIsSet(
  now: number,
  { synchronized = SYNCHRONIZED, hardware = HARDWARE_CLOCK }: ClockPlaces = {},
): Promise<boolean> {
  if (await fileExists(synchronized)) return true;
  const text = await readText(hardware).catch(() => "");
  const seconds = /^\d+$/.test(text.trim()) ? Number(text) : undefined;
  return seconds !== undefined && Math.abs(now - seconds) < APART;
}
