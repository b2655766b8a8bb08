/** A program of the agent's that does one thing in a process of its own: what to do on its standard input, a JSON document a line of how far it is. */
import { AppError, type ErrorDocument } from "../core/error.ts";
import { MiB } from "../core/units.ts";
import { CommandError, type Run } from "../host/run.ts";

/** A worker's last line, where it failed. */
export interface WorkerError {
  readonly error: ErrorDocument;
}

/**
 * Memory of several threads out of one place: the C library else keeps some for each of them. What is large is given back when it is freed; once such a
 * piece was freed the library would else take the next ones out of what it keeps. mallopt(3), "M_MMAP_THRESHOLD"
 */
export const WORKER_ENV = { MALLOC_ARENA_MAX: "1", MALLOC_MMAP_THRESHOLD_: String(MiB) } as const;
/** Of V8: a worker's memory is what an update needs beyond the agent's; the time that it takes is the same. One compiler less, which is Node's code in memory, too. */
export const WORKER_FLAGS = ["--optimize-for-size", "--no-maglev"] as const;

/**
 * @param program argv of the worker
 * @param line called with each line as it comes
 * @returns the last line; nothing where it said nothing
 * @throws AppError what the worker reports; `WORKER_ENDED` where it ended before it could; the signal's reason when aborted
 */
export async function work<Line extends object>(
  { run, program }: { readonly run: Run; readonly program: readonly [string, ...string[]] },
  request: object,
  line: (line: Line) => void,
  signal: AbortSignal,
): Promise<Line | undefined> {
  let last: Line | WorkerError | undefined;
  await run([...program], {
    stdin: JSON.stringify(request),
    env: WORKER_ENV,
    signal,
    onLine: (text) => {
      const value = parseLine(text) as Line | WorkerError | undefined;
      if (!value) return;
      last = value;
      if (!("error" in value)) line(value);
    },
  }).catch((cause: unknown) => {
    if (!(cause instanceof CommandError)) throw cause;
    const { exitCode = -1 } = cause.result ?? {};
    const how = exitCode < 0 ? "it was killed" : `with status ${exitCode}`;
    throw new AppError("WORKER_ENDED", `the process that does the work ended before it was done: ${how}`, {
      hint: "The machine may be short of memory: see `journalctl -k`. Then try again: it goes on where it stopped.",
      cause,
    });
  });
  if (!last || !("error" in last)) return last;
  const { code, message, hint } = last.error;
  throw new AppError(code, message, hint ? { hint } : {});
}

/** As a worker tells it. @param otherwise code of what has none */
export function workerError(error: unknown, otherwise: string): WorkerError {
  const { code, hint } = error instanceof AppError ? error : { code: (error as NodeJS.ErrnoException).code, hint: undefined };
  return { error: { code: code ?? otherwise, message: (error as Error).message, ...(hint ? { hint } : {}) } };
}

/** Calls on at most once in so many milliseconds. */
export function every<T>(ms: number, call: (value: T) => void): (value: T) => void {
  let last = 0;
  return (value) => {
    if (performance.now() - last < ms) return;
    last = performance.now();
    call(value);
  };
}

/** The program's error output comes on the same way. */
function parseLine(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
