import { Interrupted, type Sinks } from "./output.ts";

/** What both command lines take from the process that they run in; main.ts and node-main.ts only. */
export interface ProcessEdge {
  readonly sinks: Sinks;
  /** Aborted, with {@link Interrupted}, by Ctrl-C, by SIGTERM, and when the terminal goes. */
  readonly signal: AbortSignal;
}

const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

/** Takes over signals and output of a process, until it ends. */
export function takeProcess(own: NodeJS.Process): ProcessEdge {
  const stop = new AbortController();
  for (const [name, number] of Object.entries(SIGNALS)) {
    own.on(name, () => {
      if (stop.signal.aborted) own.exit(128 + number); // asked twice: no more cleaning up
      stop.abort(new Interrupted(number));
    });
  }
  own.stdout.on("error", ({ code, message }: NodeJS.ErrnoException) => {
    if (code === "EPIPE") own.exit(0); // `petrify … | head` is no failure
    own.stderr.write(`error: the output cannot be written: ${message}\nhint: What was printed is not all there was.\n`);
    own.exit(1);
  });
  return {
    sinks: {
      out: (text) => void own.stdout.write(text),
      err: (text) => void own.stderr.write(text),
      columns: () => (own.stderr.isTTY && own.env["TERM"] !== "dumb" ? own.stderr.columns || 80 : 0),
    },
    signal: stop.signal,
  };
}
