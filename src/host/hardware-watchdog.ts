import { open } from "node:fs/promises";

/** The device that the initrd has armed. Source: Linux, Documentation/watchdog/watchdog-api.rst */
const DEVICE = "/dev/watchdog";

/** A hardware watchdog: without a beat in time the machine is reset. */
export interface HardwareWatchdog extends AsyncDisposable {
  beat(): Promise<void>;
}

/**
 * Takes the watchdog over, where there is one that nobody else has.
 *
 * It is never disarmed: when its owner ends, somebody else has to take it over in time.
 */
export async function takeWatchdog(path = DEVICE): Promise<HardwareWatchdog | undefined> {
  try {
    const file = await open(path, "w");
    return { beat: async () => void (await file.write("\0")), [Symbol.asyncDispose]: async () => await file.close() };
  } catch {
    return undefined; // there is none, or an init that looks after it
  }
}
