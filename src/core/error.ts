/** @portable Runs in Node, in the browser and in QuickJS: no imports from `node:` and no I/O. */

/** Options every {@link AppError} accepts besides its code and message. */
export interface AppErrorOptions {
  /** What the operator can do next; one imperative sentence, printed under the message. */
  readonly hint?: string;
  /** The lower-level failure; kept for logs, never repeated in `message`. */
  readonly cause?: unknown;
}

/** A failure an operator can reach. Bugs and impossible branches throw plain `Error`. */
export class AppError<Code extends string = string> extends Error {
  override readonly name: string = "AppError";
  readonly code: Code;
  readonly hint: string | undefined;

  constructor(code: Code, message: string, options: AppErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }
}

/** An error as it is told to whoever asked for something. */
export interface ErrorDocument {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
}

/** Anything but an {@link AppError} is `INTERNAL`. */
export function errorDocument(error: unknown): ErrorDocument {
  const { code, hint } = error instanceof AppError ? error : { code: "INTERNAL", hint: undefined };
  return { code, message: error instanceof Error ? error.message : String(error), ...(hint ? { hint } : {}) };
}
