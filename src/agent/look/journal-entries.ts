/** What calls read of the machine's journal. */
import { z } from "zod";
import { AppError } from "../../core/error.ts";
import { CommandError } from "../../host/run.ts";
import type { RunLines } from "../../host/run-lines.ts";
import { journalctlArguments, type JournalQuery } from "../../layout/journalctl.ts";
import { shortLine } from "../../layout/short-line.ts";

/** Seconds since 1970. */
export const momentSchema = z.iso.datetime().transform((text) => Date.parse(text) / 1000);
export const cursorSchema = z
  .string()
  .regex(/^[a-z]=[0-9a-f]{1,32}(?:;[a-z]=[0-9a-f]{1,32}){1,9}$/, "no cursor of the journal")
  .optional();
export const linesSchema = z.int().max(10_000_000).optional();

/** Lines of journalctl's JSON, as many as have come at a time. @throws AppError `LOGS_UNAVAILABLE` */
export async function* journalLines(
  query: JournalQuery,
  runLines: RunLines,
  signal: AbortSignal,
): AsyncGenerator<readonly string[]> {
  try {
    yield* runLines(journalctlArguments(query), signal);
  } catch (cause) {
    if (!(cause instanceof CommandError)) throw cause;
    if (!cause.result) {
      const isMissing = (cause.cause as NodeJS.ErrnoException | undefined)?.code === "ENOENT";
      if (!isMissing)
        throw new AppError("LOGS_UNAVAILABLE", "the machine cannot start another reader of its journal now", { cause });
      throw new AppError("LOGS_UNAVAILABLE", "the image has no journal: it has no journalctl", {
        hint: "The kernel's log has what the agent says, too: dmesg.",
        cause,
      });
    }
    const why = shortLine(cause.result.stderr.trim().split("\n").at(-1)!);
    // What is found nowhere is no failure, though some versions end like that.
    if (cause.result.exitCode === 1 && why === "") return;
    throw new AppError("LOGS_UNAVAILABLE", `the journal cannot be read: ${why}`, { cause });
  }
}

/** google.protobuf.Timestamp. @param time microseconds since 1970 */
export function microsecondsJson(time: number): string {
  const micro = String(time % 1e6).padStart(6, "0");
  return `${new Date(Math.floor(time / 1e6) * 1000).toISOString().slice(0, 19)}.${micro}Z`;
}
