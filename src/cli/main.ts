/** The edge of the process: signals, streams, exit code. Nothing imports this file. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { currentCaller } from "../host/caller.ts";
import { readText } from "../host/files.ts";
import { run } from "../host/run.ts";
import { secondsNow } from "../host/wall-clock.ts";
import { takeProcess } from "./process.ts";
import { runCli } from "./program.ts";

// Modes of what is built are the recipe's business; a stricter umask would only break the tools.
process.umask(0o022);

const { version } = JSON.parse(await readText(join(import.meta.dirname, "../../package.json"))) as { version: string };
process.exitCode = await runCli(
  {
    ...takeProcess(process),
    run,
    caller: currentCaller(),
    terminal: { input: process.stdin, output: process.stdout },
    env: process.env,
    cwd: process.cwd(),
    clock: () => performance.now(),
    now: secondsNow,
    random: randomBytes,
  },
  process.argv.slice(2),
  version,
);
