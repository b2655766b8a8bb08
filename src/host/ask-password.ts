import { AppError } from "../core/error.ts";

/** What a terminal is, as far as a password needs it. */
export interface PasswordTerminal extends NodeJS.ReadableStream {
  /** In raw mode the terminal shows nothing, and gives every key at once. */
  setRawMode(on: boolean): unknown;
}
/** Characters. */
const LONGEST = 1024;
const [CTRL_C, CTRL_D, CTRL_U, DELETE] = ["\u0003", "\u0004", "\u0015", "\u007f"] as const;

/**
 * The line that is typed after a question, none of which is shown; nothing at the end of the input (Ctrl-D, on an empty line).
 *
 * @param question prints it: called once nothing that is typed shows any more
 * The terminal is as before when it returns, however it does.
 *
 * @throws AppError `INTERRUPTED` for Ctrl-C; the signal's reason
 */
export async function readHidden(
  input: PasswordTerminal,
  signal: AbortSignal,
  question: () => void,
): Promise<string | undefined> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
  const decoder = new TextDecoder();
  let line: string[] = [];
  const key = (char: string): void => {
    if (char === "\r" || char === "\n") resolve(line.join(""));
    else if (char === CTRL_C) reject(new AppError("INTERRUPTED", "no password was given"));
    else if (char === CTRL_D && line.length === 0) resolve(undefined);
    else if (char === DELETE || char === "\b") line.pop();
    else if (char === CTRL_U) line = [];
    else if (char >= " " && line.length < LONGEST) line.push(char);
  };
  const data = (bytes: Buffer): void => {
    for (const char of decoder.decode(bytes, { stream: true })) key(char);
  };
  const end = (): void => resolve(undefined);
  const abort = (): void => reject(signal.reason as Error);
  input.setRawMode(true);
  try {
    input.on("data", data).once("end", end).once("error", reject);
    signal.addEventListener("abort", abort, { once: true });
    question();
    input.resume(); // it was paused by the question before
    return await promise;
  } finally {
    signal.removeEventListener("abort", abort);
    input.off("data", data).off("end", end).off("error", reject);
    input.pause(); // else the process would wait for more
    input.setRawMode(false);
  }
}
