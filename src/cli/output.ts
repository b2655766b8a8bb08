import { AppError } from "../core/error.ts";

/** Where a process writes; stdout carries results only, progress and errors go to stderr. */
export interface Sinks {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Columns of the terminal that stderr is; 0 when it is none, or one that cannot write over a line. */
  readonly columns: () => number;
}

/** Where a command reports. */
export interface Output {
  /** The result of the command, once: a JSON document with `--json`, else the text for people. */
  result(value: object, human: string): void;
  /** Something that happened meanwhile and that a program may wait for (`--json`), e.g. that a machine has booted. */
  event(value: { readonly type: string } & object, human?: string): void;
}

/** One JSON document a line. */
const json = (value: object): string => `${JSON.stringify(value)}\n`;

export function humanOutput({ out, err }: Sinks): Output {
  return {
    result: (_value, human) => out(human === "" ? "" : `${human}\n`),
    event: (_value, human) => err(human === undefined ? "" : `${human}\n`),
  };
}
/** `--json`: everything on stdout, progress included, so that `jq` and a CI log can read it. */
export function jsonOutput({ out }: Sinks): Output {
  return { result: (value) => out(json({ type: "result", value })), event: (value) => out(json(value)) };
}

/** Ends a command that was told to stop. */
export class Interrupted extends AppError<"INTERRUPTED"> {
  override readonly name = "Interrupted";
  readonly exitCode: number;
  /** @param number of the signal, e.g. 2 for SIGINT: the exit code is 128 more, as shells have it */
  constructor(number: number) {
    super("INTERRUPTED", "interrupted");
    this.exitCode = 128 + number;
  }
}
/** The exit code of a command that was ended by Ctrl-C (SIGINT). */
const CTRL_C = 130;
/** The command line itself was wrong. */
export class UsageError extends AppError<"USAGE"> {
  override readonly name = "UsageError";
}

/** @returns the exit code: 0 done, 1 the operation failed, 2 wrong usage, 70 a bug (EX_SOFTWARE), 128+n ended by signal n. */
export async function exitCodeOf(body: () => Promise<void>, isJson: boolean, sinks: Sinks, signal: AbortSignal): Promise<number> {
  try {
    await body();
    return 0;
  } catch (caught) {
    // Once interrupted, whatever fails does so because of that.
    const error: unknown = signal.aborted ? signal.reason : asRefusal(firstOf(caught));
    report(error, isJson, sinks);
    if (error instanceof Interrupted) return error.exitCode;
    if (error instanceof UsageError) return 2;
    if (!(error instanceof AppError)) return 70;
    return error.code === "INTERRUPTED" ? CTRL_C : 1; // of a terminal that gives every key: no signal came
  }
}

/** What went wrong first, where cleaning up failed as well: that is a consequence. */
const firstOf = (error: unknown): unknown => (error instanceof SuppressedError ? firstOf(error.suppressed) : error);

/** What the system refuses for reasons that its user can do something about. Source: errno(3) */
const REFUSALS: Readonly<Record<string, string>> = {
  EACCES: "that is not permitted",
  EPERM: "that is not permitted",
  EROFS: "its file system is read-only",
  ENOSPC: "there is no space left",
  EDQUOT: "there is no space left for this user",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of it is no folder",
  EEXIST: "something else is there",
  ENOTEMPTY: "something else is there",
  ENAMETOOLONG: "the name is too long",
  ELOOP: "its links lead in a circle",
  EBUSY: "it is in use",
  ETXTBSY: "it is in use",
  EIO: "its disk has failed",
};

/** A path that a person has named and the system refuses is no fault of petrify's, wherever it was come upon. */
function asRefusal(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof AppError) return error;
  const { code = "", path, dest = path } = error as NodeJS.ErrnoException & { readonly dest?: string };
  const why = REFUSALS[code];
  if (why === undefined || dest === undefined) return error;
  return new AppError("REFUSED_BY_SYSTEM", `${dest} cannot be used: ${why} (${code})`, {
    hint: "Name another path, or mend this one.",
    cause: error,
  });
}

function report(error: unknown, isJson: boolean, { out, err }: Sinks): void {
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  const known = error instanceof AppError ? error : undefined;
  if (isJson)
    out(json({ type: "error", code: known?.code ?? "INTERNAL", message, ...(known?.hint ? { hint: known.hint } : {}) }));
  else if (known) err(`error: ${message}\n${known.hint ? `hint: ${known.hint}\n` : ""}`);
  else err(`bug: ${stack}\nhint: This is a fault of petrify: please report it with the command and the lines above.\n`);
}
