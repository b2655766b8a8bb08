import { spawn } from "node:child_process";
import { killGroup } from "./process-group.ts";
import { CommandError } from "./run.ts";

/** Runs a program for what it writes; the lines of its standard output, as many as have come at a time. */
export type RunLines = (argv: readonly [string, ...string[]], signal: AbortSignal) => AsyncGenerator<readonly string[]>;

/** Characters; a line that is longer is left out. */
const LINE_LIMIT = 256 * 1024;
const TAIL_LIMIT = 4096;
const ENVIRONMENT = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LANG: "C.UTF-8" } as const;
const KILL_AFTER_MS = 2000;

/**
 * While nobody takes the lines the program waits, and what is kept of them is what a pipe holds. It is ended when nobody wants more, and when the signal is
 * aborted.
 *
 * @throws CommandError for a program that cannot be run, or that ends otherwise than with status 0; the signal's reason
 */
export const runLines: RunLines = async function* (argv, signal) {
  signal.throwIfAborted();
  const [file, ...args] = argv;
  // A process group of its own, so that all of it can be ended.
  const child = spawn(file, args, { env: ENVIRONMENT, stdio: ["ignore", "pipe", "pipe"], detached: true });
  const exited = new Promise<{ code: number | null; by: string | null } | Error>((resolve) => {
    child.once("error", resolve);
    child.once("exit", (code, by) => resolve({ code, by }));
  });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr = (stderr + text).slice(-TAIL_LIMIT)));
  const end = (): void => {
    killGroup(child, "SIGTERM");
    child.stdout.destroy();
  };
  signal.addEventListener("abort", end, { once: true });
  let isWhole = false;
  try {
    let rest = "";
    let isTooLong = false;
    child.stdout.setEncoding("utf8");
    try {
      for await (const chunk of child.stdout as AsyncIterable<string>) {
        const lines = (rest + chunk).split("\n");
        rest = lines.pop()!;
        if (isTooLong && lines.length > 0) {
          isTooLong = false;
          lines.shift();
        }
        if (rest.length > LINE_LIMIT) [isTooLong, rest] = [true, ""];
        if (lines.length > 0) yield lines;
      }
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    }
    isWhole = true;
    if (rest !== "" && !isTooLong) yield [rest];
  } finally {
    signal.removeEventListener("abort", end);
    if (!isWhole) end();
    const timer = setTimeout(() => killGroup(child, "SIGKILL"), KILL_AFTER_MS);
    await exited;
    clearTimeout(timer);
  }
  signal.throwIfAborted();
  const exit = await exited;
  if (exit instanceof Error) throw new CommandError(argv, "could not be run", undefined, exit);
  if (exit.code === 0) return;
  const how = exit.code === null ? `was killed by ${exit.by}` : `exited with status ${exit.code}`;
  throw new CommandError(argv, how, { exitCode: exit.code ?? -1, stdout: "", stderr });
};
