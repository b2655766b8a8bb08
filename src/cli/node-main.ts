/** The edge of the process on the node: signals, streams, exit code. Nothing imports this file; it is bundled into every image. */
import { run } from "../host/run.ts";
import { runNodeCli } from "./node-program.ts";
import { takeProcess } from "./process.ts";

/** Defined when the program is bundled. */
declare const PETRIFY_VERSION: string | undefined;

process.exitCode = await runNodeCli(
  {
    ...takeProcess(process),
    run,
    input: process.stdin,
    root: "/",
    cwd: process.cwd(),
    clock: () => performance.now(),
  },
  process.argv.slice(2),
  typeof PETRIFY_VERSION === "string" ? PETRIFY_VERSION : "not bundled",
);
