import { spawn } from "node:child_process";
import { AppError } from "../core/error.ts";
import { killGroup } from "./process-group.ts";

export interface RunOptions {
  readonly stdin?: string;
  readonly cwd?: string;
  /** Added to the fixed base environment (PATH, LANG=C.UTF-8); the caller's environment is never inherited. */
  readonly env?: Readonly<Record<string, string>>;
  /** Exit codes that mean success; default `[0]`. */
  readonly okExit?: readonly number[];
  readonly timeoutMs?: number;
  /** Aborting sends SIGTERM; the call then rejects with the signal's reason once the program has ended. */
  readonly signal?: AbortSignal | undefined;
  /** How many characters of stdout, and of stderr, are kept: the last ones; default all. For programs that nobody knows. */
  readonly keepOutput?: number;
  /** Called with each line of stdout and stderr as it comes. */
  readonly onLine?: (line: string) => void;
}
export interface RunResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one program to completion. Never a shell: `argv[0]` is the program, the rest reach it unchanged. */
export type Run = (argv: readonly [string, ...string[]], options?: RunOptions) => Promise<RunResult>;

export class CommandError extends AppError<"COMMAND_FAILED"> {
  override readonly name = "CommandError";
  readonly argv: readonly string[];
  readonly result: RunResult | undefined;
  constructor(argv: readonly string[], reason: string, result?: RunResult, cause?: unknown) {
    const tail = result?.stderr.trim().split("\n").slice(-5).join("\n");
    super("COMMAND_FAILED", `${quote(argv)} ${reason}${tail ? `\n${tail}` : ""}`, { cause });
    this.argv = argv;
    this.result = result;
  }
}

const KILL_AFTER_MS = 3_000;
const BASE_ENV = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LANG: "C.UTF-8" } as const;

export const run: Run = async (argv, options = {}) => {
  const { stdin, okExit = [0], cwd, env, timeoutMs, signal, keepOutput, onLine } = options;
  signal?.throwIfAborted();
  const [file, ...args] = argv;
  const child = spawn(file, args, {
    cwd,
    env: { ...BASE_ENV, ...env },
    stdio: [stdin === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    detached: true, // a process group of its own, so that all of it can be ended
  });
  let ending = false;
  const end = (): void => {
    ending = true;
    killGroup(child, "SIGTERM");
    setTimeout(() => killGroup(child, "SIGKILL"), KILL_AFTER_MS).unref();
  };
  // The first process of a pid namespace does not hear SIGTERM.
  child.once("exit", () => {
    if (ending) killGroup(child, "SIGKILL");
  });
  signal?.addEventListener("abort", end, { once: true });
  const timer = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
  timer?.addEventListener("abort", end, { once: true });
  try {
    child.stdin?.on("error", () => {}); // EPIPE: the child's exit status says more
    child.stdin?.end(stdin);
    const stdout = collect(child.stdout!, keepOutput, onLine);
    const stderr = collect(child.stderr!, keepOutput, onLine);
    const exit = await new Promise<{ code: number | null; signal: string | null }>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, sig) => resolve({ code, signal: sig }));
    }).catch((cause: unknown) => {
      throw new CommandError(argv, "could not be run", undefined, cause);
    });
    const result = { exitCode: exit.code ?? -1, stdout: await stdout, stderr: await stderr };
    signal?.throwIfAborted();
    if (timer?.aborted) throw new CommandError(argv, `did not end within ${timeoutMs} ms`, result);
    if (exit.signal) throw new CommandError(argv, `was killed by ${exit.signal}`, result);
    if (!okExit.includes(result.exitCode)) throw new CommandError(argv, `exited with status ${result.exitCode}`, result);
    return result;
  } finally {
    signal?.removeEventListener("abort", end);
  }
};

async function collect(
  stream: NodeJS.ReadableStream,
  keep: number | undefined,
  onLine?: (line: string) => void,
): Promise<string> {
  let text = "";
  let rest = "";
  stream.setEncoding("utf8");
  for await (const chunk of stream) {
    text += chunk;
    if (keep !== undefined && text.length > keep) text = text.slice(-keep);
    if (!onLine) continue;
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    for (const line of lines) onLine(line);
  }
  if (onLine && rest) onLine(rest);
  return text;
}

export function quote(argv: readonly string[]): string {
  return argv.map((a) => (/^[\w@%+=:,./-]+$/.test(a) ? a : `'${a.replaceAll("'", `'\\''`)}'`)).join(" ");
}

/** Test double: answers from a script, records every call, fails loudly on an unexpected one. */
export function scriptedRun(script: Readonly<Record<string, Partial<RunResult>>>): {
  readonly run: Run;
  readonly calls: string[];
} {
  const calls: string[] = [];
  const scripted: Run = async (argv, options) => {
    const line = argv.join(" ");
    calls.push(line);
    const answer = script[line];
    if (!answer) throw new Error(`unscripted command: ${line}`);
    const result = { exitCode: 0, stdout: "", stderr: "", ...answer };
    if (!(options?.okExit ?? [0]).includes(result.exitCode)) {
      throw new CommandError(argv, `exited with status ${result.exitCode}`, result);
    }
    return result;
  };
  return { run: scripted, calls };
}
