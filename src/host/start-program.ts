import { spawn } from "node:child_process";
import { killGroup } from "./process-group.ts";
import { CommandError } from "./run.ts";

/** A program that is run for what it writes. */
export interface StartedProgram<Chunk = Buffer> {
  /**
   * Its standard output, as it comes. While nobody takes it the program waits, and what is kept is what a pipe holds. It is ended when nobody wants more.
   *
   * @throws CommandError for a program that cannot be run, or that ends otherwise than with status 0; the signal's reason
   */
  readonly output: AsyncGenerator<Chunk, void>;
  /** Resolves when it has ended, however, or could not be run; what it has written may still be there to be taken. */
  readonly ended: Promise<void>;
  /** For it and all that it has started. */
  readonly send: (signal: NodeJS.Signals) => void;
}

/** @param onError called with each line of its standard error */
export type StartProgram = (
  argv: readonly [string, ...string[]],
  signal: AbortSignal,
  onError?: (line: string) => void,
) => StartedProgram;

const TAIL_LIMIT = 4096;
const ENVIRONMENT = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LANG: "C.UTF-8" } as const;
const KILL_AFTER_MS = 2000;

export const startProgram: StartProgram = (argv, signal, onError) => start<Buffer>(argv, signal, { onError });

/** Text comes as such: nobody who waits keeps the bytes that it was. */
export const startTextProgram = (argv: readonly [string, ...string[]], signal: AbortSignal): StartedProgram<string> =>
  start<string>(argv, signal, { encoding: "utf8" });

function start<Chunk>(
  argv: readonly [string, ...string[]],
  signal: AbortSignal,
  { onError = () => {}, encoding }: { readonly onError?: ((line: string) => void) | undefined; readonly encoding?: "utf8" },
): StartedProgram<Chunk> {
  signal.throwIfAborted();
  const [file, ...args] = argv;
  // A process group of its own, so that all of it can be ended.
  const child = spawn(file, args, { env: ENVIRONMENT, stdio: ["ignore", "pipe", "pipe"], detached: true });
  if (encoding) child.stdout.setEncoding(encoding);
  const ended = new Promise<void>((resolve) => child.once("error", () => resolve()).once("exit", () => resolve()));
  let isGone = false;
  // Once all that it has written was taken, too.
  const closed = new Promise<{ code: number | null; by: string | null } | Error>((resolve) => {
    child.once("error", resolve);
    child.once("close", (code, by) => {
      isGone = true;
      resolve({ code, by });
    });
  });
  let [stderr, line] = ["", ""];
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-TAIL_LIMIT);
    const lines = (line + text).split("\n");
    line = lines.pop()!.slice(-TAIL_LIMIT);
    for (const one of lines) onError(one);
  });
  const send = (name: NodeJS.Signals): void => {
    // Once it has ended, its number may be somebody else's.
    if (!isGone) killGroup(child, name);
  };
  const end = (): void => {
    send("SIGTERM");
    child.stdout.destroy();
  };
  signal.addEventListener("abort", end, { once: true });
  const output = async function* (): AsyncGenerator<Chunk, void> {
    let isWhole = false;
    try {
      try {
        yield* child.stdout as AsyncIterable<Chunk>;
      } catch (error) {
        signal.throwIfAborted();
        throw error;
      }
      isWhole = true;
    } finally {
      signal.removeEventListener("abort", end);
      if (!isWhole) end();
      const timer = setTimeout(() => send("SIGKILL"), KILL_AFTER_MS);
      await closed;
      clearTimeout(timer);
    }
    signal.throwIfAborted();
    const exit = await closed;
    if (exit instanceof Error) throw new CommandError(argv, "could not be run", undefined, exit);
    if (exit.code === 0) return;
    const how = exit.code === null ? `was killed by ${exit.by}` : `exited with status ${exit.code}`;
    throw new CommandError(argv, how, { exitCode: exit.code ?? -1, stdout: "", stderr });
  };
  return { output: output(), ended, send };
}
