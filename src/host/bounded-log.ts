import { open, rename, type FileHandle } from "node:fs/promises";
import type { Bytes } from "../core/units.ts";

/** A file that text is added to. */
export interface BoundedLog extends AsyncDisposable {
  append(text: string): void;
}

/**
 * Opens a log that never takes more than twice `limit`: when the file has reached it, it becomes `PATH.1`, in place of the one before.
 *
 * What cannot be written (the disk is full) is left out: whoever says it is not held up.
 *
 * @throws NodeJS.ErrnoException when the file cannot be opened
 */
export async function openBoundedLog(path: string, limit: Bytes): Promise<BoundedLog> {
  let file: FileHandle = await open(path, "a", 0o600);
  let size = (await file.stat()).size;
  let waiting: string[] = [];
  let writing: Promise<void> | undefined;
  const turn = async (): Promise<void> => {
    const next = await rename(path, `${path}.1`).then(async () => await open(path, "a", 0o600));
    await file.close();
    [file, size] = [next, 0];
  };
  const write = async (): Promise<void> => {
    while (waiting.length > 0) {
      const text = Buffer.from(waiting.join(""));
      waiting = [];
      for (let at = 0; at < text.length;) {
        if (size >= limit) await turn();
        const part = text.subarray(at, at + Math.max(1, limit - size));
        await file.appendFile(part);
        at += part.length;
        size += part.length;
      }
    }
  };
  return {
    append: (text) => {
      waiting.push(text);
      writing ??= write()
        .catch(() => {})
        .finally(() => (writing = undefined));
    },
    [Symbol.asyncDispose]: async () => {
      await writing;
      await file.close();
    },
  };
}
