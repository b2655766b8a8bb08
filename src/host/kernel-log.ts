import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A line in the kernel's log that shows on every console, whatever the log level. Never throws. */
export function kernelLog(line: string): void {
  try {
    appendFileSync("/dev/kmsg", `<2>${line}\n`);
  } catch {
    // Said in the journal as well.
  }
}

/** From here on the consoles show the kernel's errors only: whoever speaks with a person there is not talked over. Never throws. Source: proc_sys_kernel(5) */
export function quietConsoles(root: string): void {
  try {
    writeFileSync(join(root, "proc/sys/kernel/printk"), "4\n");
  } catch {
    // They talk, and what is said is there all the same.
  }
}
