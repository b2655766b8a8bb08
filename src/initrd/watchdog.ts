/** @portable The hardware watchdog: armed here, so that a boot that hangs ends in a reboot; the image's init takes it over. */
import type { Sys } from "./sys.ts";

const DEVICE = "/dev/watchdog";
/** Covers the rest of the initrd and the start of the image's init, on slow machines too. */
const SECONDS = 120;
/** Source: linux/watchdog.h */
const WDIOC_SETTIMEOUT = 0xc0045706;
const WDIOC_KEEPALIVE = 0x80045705;

export interface Watchdog {
  /** Seconds until it reboots the machine, if it is there and armed. */
  readonly seconds: number | undefined;
  /** Starts the time anew. */
  keepAlive(): void;
}

/**
 * Opens the device, which arms it. It stays armed when {@link Sys.exec} closes it: only a written `V` would stop it.
 *
 * @returns `undefined` when there is none (yet): its driver may still have to be loaded
 */
export function armWatchdog(sys: Sys): Watchdog | undefined {
  if (!sys.exists(DEVICE)) return undefined;
  const file = sys.open(DEVICE, "write");
  const seconds = new Uint8Array(4);
  new DataView(seconds.buffer).setInt32(0, SECONDS, true);
  try {
    sys.ioctl(file, WDIOC_SETTIMEOUT, seconds);
  } catch {
    return { seconds: undefined, keepAlive: () => void sys.ioctl(file, WDIOC_KEEPALIVE, 0) }; // a fixed time
  }
  return {
    seconds: new DataView(seconds.buffer).getInt32(0, true), // as the hardware rounds it
    keepAlive: () => void sys.ioctl(file, WDIOC_KEEPALIVE, 0),
  };
}
