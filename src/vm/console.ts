import { AppError } from "../core/error.ts";

export interface WaitOptions {
  /** Default two minutes: software emulation on a busy machine is slow. */
  readonly timeoutMs?: number;
}

interface Waiter {
  readonly pattern: RegExp;
  readonly resolve: (match: RegExpExecArray) => void;
  readonly reject: (error: unknown) => void;
}

const DEFAULT_TIMEOUT_MS = 120_000;
const SHOWN_LINES = 20;
// ECMA-48 control sequences (CSI), operating system commands (OSC, e.g. systemd's context marks) and two-byte escapes.
// oxlint-disable-next-line no-control-regex
const ESCAPE = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-OQ-WYZ_^`-~])/g;
// oxlint-disable-next-line no-control-regex
const UNFINISHED = /\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]{0,512}\x1b?|[ -/]*)?$/;

/** What a guest has written to its console, as plain text: without escape sequences and carriage returns. */
export class ConsoleLog {
  #text = "";
  #unfinished = "";
  #position = 0;
  #waiting: Waiter | undefined;
  #ended: AppError | undefined;
  readonly #kept: number;

  /** @param kept how many characters stay, at least: the last ones; default all. Nobody waits for what is gone. */
  constructor(kept = Number.POSITIVE_INFINITY) {
    this.#kept = kept;
  }

  get text(): string {
    return this.#text;
  }

  append(chunk: string): void {
    const whole = this.#unfinished + chunk;
    this.#unfinished = UNFINISHED.exec(whole)?.[0] ?? "";
    this.#text += whole
      .slice(0, whole.length - this.#unfinished.length)
      .replace(ESCAPE, "")
      .replaceAll("\r", "");
    this.#look();
    if (this.#text.length <= 2 * this.#kept) return;
    const gone = this.#text.length - this.#kept;
    this.#text = this.#text.slice(gone);
    this.#position = Math.max(0, this.#position - gone);
  }

  /** No more text will come: who waits gets `error`. */
  end(error: AppError): void {
    this.#ended = error;
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }

  /**
   * Waits for text that comes after what the last wait matched, as `expect` does.
   *
   * @throws AppError `VM_TIMEOUT`, or what the VM ended with; both carry the last lines
   */
  async waitFor(pattern: RegExp | string, { timeoutMs = DEFAULT_TIMEOUT_MS }: WaitOptions = {}): Promise<RegExpExecArray> {
    if (this.#waiting) throw new Error("only one may wait for the console at a time");
    const regexp =
      typeof pattern === "string" ? new RegExp(RegExp.escape(pattern)) : new RegExp(pattern, pattern.flags.replace(/[gy]/g, ""));
    const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>();
    this.#waiting = { pattern: regexp, resolve, reject };
    const timer = setTimeout(() => {
      this.#waiting = undefined;
      const seconds = Math.round(timeoutMs / 1000);
      reject(
        new AppError(
          "VM_TIMEOUT",
          `the console did not show ${String(pattern)} within ${seconds} s; its last lines:\n${this.tail()}`,
        ),
      );
    }, timeoutMs);
    try {
      this.#look();
      if (this.#ended) this.end(this.#ended);
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** The last lines, for an error. */
  tail(): string {
    return this.#text.trimEnd().split("\n").slice(-SHOWN_LINES).join("\n");
  }

  #look(): void {
    if (!this.#waiting) return;
    const rest = this.#text.slice(this.#position);
    const match = this.#waiting.pattern.exec(rest);
    if (!match) return;
    this.#position += match.index + match[0].length;
    this.#waiting.resolve(match);
    this.#waiting = undefined;
  }
}
