import { startTextProgram } from "./start-program.ts";

/** Runs a program for what it writes; the lines of its standard output, as many as have come at a time. */
export type RunLines = (argv: readonly [string, ...string[]], signal: AbortSignal) => AsyncGenerator<readonly string[]>;

/** Characters; a line that is longer is left out. */
const LINE_LIMIT = 256 * 1024;

/**
 * While nobody takes the lines the program waits, and what is kept of them is what a pipe holds. It is ended when nobody wants more, and when the signal is
 * aborted.
 *
 * @throws CommandError for a program that cannot be run, or that ends otherwise than with status 0; the signal's reason
 */
export const runLines: RunLines = async function* (argv, signal) {
  let rest = "";
  let isTooLong = false;
  for await (const chunk of startTextProgram(argv, signal).output) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    if (isTooLong && lines.length > 0) {
      isTooLong = false;
      lines.shift();
    }
    if (rest.length > LINE_LIMIT) [isTooLong, rest] = [true, ""];
    if (lines.length > 0) yield lines;
  }
  if (rest !== "" && !isTooLong) yield [rest];
};
