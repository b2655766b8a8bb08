import type { Edge } from "./context.ts";
import { secondsNow } from "../host/wall-clock.ts";
import { run as realRun, type Run } from "../host/run.ts";
import { runCli } from "./program.ts";

export interface Ran {
  readonly exitCode: number;
  readonly out: string;
  readonly err: string;
}

/** Test double of the process's edge: runs one command line and returns what it wrote. */
export async function runForTest(
  args: readonly string[],
  {
    cwd = "/",
    run = realRun,
    signal = new AbortController().signal,
    columns = 0,
    clock = () => 0,
    now = secondsNow,
    input = process.stdin,
    output = process.stdout,
    env = {},
    onOut = () => {},
    onErr = () => {},
  }: {
    cwd?: string;
    run?: Run;
    signal?: AbortSignal;
    columns?: number;
    clock?: () => number;
    now?: () => number;
    /** What is typed; `isTTY` says whether it is a terminal. */
    input?: NodeJS.ReadableStream;
    /** What a command writes to that passes bytes on; `isTTY` says whether it is a terminal. */
    output?: NodeJS.WritableStream;
    /** Besides `HOME`. */
    env?: Readonly<Record<string, string>>;
    onOut?: (text: string) => unknown;
    onErr?: (text: string) => unknown;
  } = {},
): Promise<Ran> {
  let out = "";
  let err = "";
  const edge: Edge = {
    run,
    caller: { uid: process.getuid!(), devices: [] },
    sinks: {
      out: (text) => {
        out += text;
        onOut(text);
      },
      err: (text) => {
        err += text;
        onErr(text);
      },
      columns: () => columns,
    },
    terminal: { input: input as NodeJS.ReadStream, output: output as NodeJS.WriteStream },
    env: { HOME: cwd, ...env },
    cwd,
    signal,
    clock,
    now,
    random: (bytes) => new Uint8Array(bytes),
  };
  const exitCode = await runCli(edge, args, "1.2.3");
  return { exitCode, out, err };
}
