import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { runLines } from "./run-lines.ts";

const KMSG = "/dev/kmsg";
/** Of a record. Source: Linux, kernel/printk/internal.h, PRINTK_MESSAGE_MAX with PREFIX_MAX */
const RECORD_LIMIT = 8192;
/** At a time. */
const MOST = 200;

/**
 * Records of the kernel's log, with the lines that follow them, as many as are there at a time.
 *
 * @param follow waits for more until the signal is aborted
 * @throws NodeJS.ErrnoException, CommandError; the signal's reason
 */
export const kernelRecords = (follow: boolean, signal: AbortSignal, path = KMSG): AsyncGenerator<readonly string[]> =>
  // A read that waits would keep one of the few threads that Node reads files with: a program of its own may.
  follow ? runLines(["cat", path], signal) : presentRecords(path, signal);

async function* presentRecords(path: string, signal: AbortSignal): AsyncGenerator<readonly string[]> {
  await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const buffer = Buffer.alloc(RECORD_LIMIT);
  let lines: string[] = [];
  for (;;) {
    signal.throwIfAborted();
    const record = await file.read(buffer).then(
      ({ bytesRead }) => buffer.toString("utf8", 0, bytesRead),
      (error: NodeJS.ErrnoException) => {
        if (error.code === "EAGAIN") return "";
        if (error.code === "EPIPE") return "\n"; // it was overwritten before we came; the next one is there
        throw error;
      },
    );
    if (record === "" || lines.length >= MOST) {
      yield lines;
      lines = [];
    }
    if (record === "") return;
    lines.push(...record.split("\n").filter((line) => line !== ""));
  }
}
