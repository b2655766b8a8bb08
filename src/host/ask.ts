import { createInterface } from "node:readline/promises";

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
  const lines = createInterface({ input });
  const closed = new Promise<string>((resolve) => lines.once("close", () => resolve("no")));
  try {
    const answer = (await Promise.race([lines.question("", { signal }), closed])).trim() || enter;
    return /^(y|yes)$/i.test(answer);
  } finally {
    lines.close();
  }
}
