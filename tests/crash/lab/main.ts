/** PID 1 of a matrix image: does what the command line names, and waits for the power cut. Words: operation, what is left out. */
import { takeWatchdog } from "../../../src/host/hardware-watchdog.ts";
import { openLab } from "./lab.ts";
import { OPERATIONS, type Operation } from "./operations.ts";

const [name = "", ...without] = process.argv.slice(2);
const lab = await openLab(without);
// The initrd has armed it. And PID 1 does not end.
const watchdog = await takeWatchdog();
setInterval(() => void watchdog?.beat(), 10_000);
try {
  const operation = (OPERATIONS as Readonly<Record<string, Operation>>)[name.replaceAll("_", " ")];
  if (!operation) throw new Error(`there is no operation ${name}`);
  await lab.mark("begun");
  await operation(lab);
  await lab.mark("end");
} catch (error) {
  console.error(error);
  await lab.mark(`failed ${error instanceof Error ? error.message : String(error)}`);
}
