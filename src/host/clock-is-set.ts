import { dlopen } from "node:ffi";
import { fileExists, readText } from "./files.ts";

/** Of systemd-timesyncd, once it has heard from a server. Source: systemd-timesyncd.service(8), "Files" */
const SYNCHRONIZED = "/run/systemd/timesync/synchronized";
/** Counts on without power, where it has a battery. Source: kernel docs, admin-guide/rtc */
const HARDWARE_CLOCK = "/sys/class/rtc/rtc0/since_epoch";
/** The hardware's clock may have the local time. Seconds. */
const APART = 24 * 3600;
/** Microseconds: the kernel says no more, and says so until somebody has told it what time it is. Source: linux/timex.h, NTP_PHASE_LIMIT */
const UNKNOWN_ERROR = 16_000_000n;

export interface ClockPlaces {
  readonly synchronized?: string;
  readonly hardware?: string;
  /** Of the kernel's clock, in microseconds; nothing where it cannot be asked. Default: {@link kernelClockError}. */
  readonly error?: () => bigint | undefined;
}
export interface ClockFinding {
  readonly isSet: boolean;
  /** How that is known, as the end of a sentence: `NTP keeps it`. */
  readonly why: string;
}

/**
 * Whether a machine knows what day it is. At boot the clock was set forward to the last time that was known, if it was before that: then it is apart from the
 * hardware's clock, until somebody sets it. Whoever keeps the clock by NTP (chrony, ntpd, systemd-timesyncd) tells the kernel how far off it may be, and that is
 * how timedatectl knows it, too.
 *
 * @param now seconds since 1970
 */
export async function clockIsSet(
  now: number,
  { synchronized = SYNCHRONIZED, hardware = HARDWARE_CLOCK, error = kernelClockError }: ClockPlaces = {},
): Promise<ClockFinding> {
  const off = error();
  if (off !== undefined && off >= 0n && off < UNKNOWN_ERROR) return { isSet: true, why: "NTP keeps it" };
  if (await fileExists(synchronized)) return { isSet: true, why: "systemd-timesyncd has heard from a server" };
  const text = await readText(hardware).catch(() => "");
  const seconds = /^\d{1,12}\s*$/.test(text) ? Number(text) : undefined;
  if (seconds === undefined) return { isSet: false, why: "NTP has not set its clock, and it has none that runs without power" };
  if (Math.abs(now - seconds) < APART) return { isSet: true, why: "the hardware's clock agrees with it" };
  return {
    isSet: false,
    why: `NTP has not set its clock, and the hardware's says ${new Date(seconds * 1000).toISOString().slice(0, 10)}`,
  };
}

/** How far off the kernel's clock may be, in microseconds. Source: adjtimex(2), `maxerror`; bits/timex.h, of x86-64 */
export function kernelClockError(): bigint | undefined {
  try {
    const { adjtimex } = dlopen("libc.so.6", { adjtimex: { arguments: ["buffer"], return: "i32" } }).functions;
    const timex = new BigInt64Array(32); // struct timex has 208 bytes; with modes 0 nothing is changed
    return adjtimex(timex) < 0 ? undefined : timex[3];
  } catch {
    return undefined;
  }
}
