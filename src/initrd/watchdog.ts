/** @portable The hardware watchdog: armed here, so that a boot that hangs ends in a reboot; the image's init takes it over. */
import type { Sys } from "./sys.ts";

const DEVICE = "/dev/watchdog";
/** Covers the rest of the initrd and the start of the image's init, on slow machines too. */
const SECONDS = 120;
/** Source: linux/watchdog.h */
const WDIOC_SETTIMEOUT = 0xc0045706;

export interface Watchdog {
  /** Starts the watchdog, if it is there by now and not running yet: its driver may get ready at any time. */
  arm(): void;
}

/** A watchdog that is armed stays so when {@link Sys.exec} closes its device: only a written `V` would stop it. */
export function openWatchdog(sys: Sys): Watchdog {
  let armed = false;
  return {
    arm: () => {
      if (armed || !sys.exists(DEVICE)) return;
      armed = true;
      const seconds = new Uint8Array(4);
      new DataView(seconds.buffer).setInt32(0, SECONDS, true);
      try {
        sys.ioctl(sys.open(DEVICE, "write"), WDIOC_SETTIMEOUT, seconds);
      } catch (error) {
        // One with a fixed time runs all the same; without any, a boot still goes well nearly always.
        sys.log("info", `watchdog: ${error instanceof Error ? error.message : String(error)}`);
      }
    },
  };
}
