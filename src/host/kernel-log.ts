import { appendFileSync } from "node:fs";

/** A line in the kernel's log that shows on every console, whatever the log level. Never throws. */
export function kernelLog(line: string): void {
  try {
    appendFileSync("/dev/kmsg", `<2>${line}\n`);
  } catch {
    // Said in the journal as well.
  }
}
