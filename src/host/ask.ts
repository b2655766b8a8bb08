import { createInterface } from "node:readline/promises";

/** The line that answers a question that has been printed, without spaces around it; nothing at the end of the input. */
export async function readAnswer(input: NodeJS.ReadableStream, signal: AbortSignal): Promise<string | undefined> {
  const lines = createInterface({ input });
  const closed = new Promise<undefined>((resolve) => lines.once("close", () => resolve(undefined)));
  try {
    return (await Promise.race([lines.question("", { signal }), closed]))?.trim();
  } finally {
    lines.close();
  }
}

/**
 * Reads the answer to a question that has been printed; anything but yes is no, and so is the end of the input.
 *
 * @param enter what just Enter means
 */
export async function answersYes(
  input: NodeJS.ReadableStream,
  signal: AbortSignal,
  enter: "yes" | "no" = "yes",
): Promise<boolean> {
  const answer = await readAnswer(input, signal);
  return answer !== undefined && /^(y|yes)$/i.test(answer || enter);
}
