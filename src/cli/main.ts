/** The edge of the process: signals, streams, exit code. Nothing imports this file. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { currentCaller } from "../host/caller.ts";
import { readText } from "../host/files.ts";
import { run } from "../host/run.ts";
import { Interrupted } from "./output.ts";
import { runCli } from "./program.ts";

const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

// Modes of what is built are the recipe's business; a stricter umask would only break the tools.
process.umask(0o022);

const stop = new AbortController();
for (const [name, number] of Object.entries(SIGNALS)) {
  process.on(name, () => {
    if (stop.signal.aborted) process.exit(128 + number); // asked twice: no more cleaning up
    stop.abort(new Interrupted(number));
  });
}
// `petrify … | head` is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

const { version } = JSON.parse(await readText(join(import.meta.dirname, "../../package.json"))) as { version: string };
process.exitCode = await runCli(
  {
    run,
    caller: currentCaller(),
    sinks: {
      out: (text) => void process.stdout.write(text),
      err: (text) => void process.stderr.write(text),
      columns: () => (process.stderr.isTTY ? process.stderr.columns || 80 : 0),
    },
    terminal: { input: process.stdin, output: process.stdout },
    env: process.env,
    cwd: process.cwd(),
    signal: stop.signal,
    clock: () => performance.now(),
    random: randomBytes,
  },
  process.argv.slice(2),
  version,
);
