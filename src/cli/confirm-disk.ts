import { basename } from "node:path";
import { AppError } from "../core/error.ts";
import { readAnswer } from "../host/ask.ts";
import { describeTarget, type FlashTarget } from "../layout/flash-target.ts";
import type { Sinks } from "./output.ts";

interface Asking {
  readonly json: boolean;
  readonly input: NodeJS.ReadStream;
  readonly sinks: Sinks;
  readonly signal: AbortSignal;
}

/**
 * Asks for the name of a disk whose contents are about to be lost.
 *
 * @param what is about to happen, in sentences
 * @throws AppError `CONFIRMATION_MISSING`
 */
export async function confirmDisk(
  { json, input, sinks, signal }: Asking,
  target: FlashTarget,
  what = `This overwrites ${describeTarget(target)}.`,
): Promise<void> {
  const missing = (message: string): AppError =>
    new AppError("CONFIRMATION_MISSING", message, {
      hint: "To go on without a question: --yes. To see what would be done: --dry-run.",
    });
  if (json || !input.isTTY) throw missing(`what is on ${target.path} would be lost, and there is nobody to ask`);
  const name = basename(target.path);
  const lines = [what, ...target.found.map((one) => `  Lost: ${one}`)];
  sinks.err(`${lines.join("\n")}\nType ${name} to go on: `);
  if ((await readAnswer(input, signal)) !== name) throw missing("nothing was done");
}
