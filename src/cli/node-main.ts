/** The edge of the process on the node: signals, streams, exit code. Nothing imports this file; it is bundled into every image. */
import { run } from "../host/run.ts";
import { runNodeCli } from "./node-program.ts";
import { Interrupted } from "./output.ts";

/** Defined when the program is bundled. */
declare const PETRIFY_VERSION: string | undefined;

const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

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

process.exitCode = await runNodeCli(
  {
    run,
    sinks: {
      out: (text) => void process.stdout.write(text),
      err: (text) => void process.stderr.write(text),
      columns: () => (process.stderr.isTTY ? process.stderr.columns || 80 : 0),
    },
    input: process.stdin,
    root: "/",
    cwd: process.cwd(),
    signal: stop.signal,
    clock: () => performance.now(),
  },
  process.argv.slice(2),
  typeof PETRIFY_VERSION === "string" ? PETRIFY_VERSION : "not bundled",
);
