import { createInterface } from "node:readline/promises";

/** Reads the answer to a question that has been printed; anything but yes or just Enter is no, and so is the end of the input. */
export async function answersYes(input: NodeJS.ReadableStream, signal: AbortSignal): Promise<boolean> {
  const lines = createInterface({ input });
  const closed = new Promise<string>((resolve) => lines.once("close", () => resolve("no")));
  try {
    return /^\s*(y|yes)?\s*$/i.test(await Promise.race([lines.question("", { signal }), closed]));
  } finally {
    lines.close();
  }
}
