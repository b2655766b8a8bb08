import { z } from "zod";
import { AppError } from "../../core/error.ts";
import { CommandError } from "../../host/run.ts";
import type { RunLines } from "../../host/run-lines.ts";
import { parseJournalEntry, type JournalEntry } from "../../layout/journal-entry.ts";
import { journalctlArguments, type JournalQuery } from "../../layout/journalctl.ts";
import { shortLine } from "../../layout/short-line.ts";
import type { LogEntryJson, LogsResponseJson } from "../../protocol/petrify/v1/log_pb.ts";
import { lookCall } from "./call.ts";
import { priorityJson, priorityRequest } from "./log-priority.ts";

/** Units that one call may name. */
const MOST_UNITS = 32;

const moment = z.iso.datetime().transform((text) => Date.parse(text) / 1000);
const request = z
  .strictObject({
    units: z
      .array(z.string().regex(/^[A-Za-z0-9:_.@\\*?[\]-]{1,255}$/, "no name of a unit"))
      .max(MOST_UNITS)
      .default([]),
    kernel: z.boolean().default(false),
    boot: z.int().min(-9999, "no boot that there was").max(0, "no boot that there was").optional(),
    since: moment.optional(),
    until: moment.optional(),
    priority: priorityRequest,
    grep: z
      .string()
      .min(1)
      .max(1000)
      .regex(/^\P{Cc}+$/u, "an expression of one line")
      .optional(),
    lines: z.int().max(10_000_000).optional(),
    after: z
      .string()
      .regex(/^[a-z]=[0-9a-f]{1,32}(?:;[a-z]=[0-9a-f]{1,32}){1,9}$/, "no cursor of the journal")
      .optional(),
    follow: z.boolean().default(false),
  })
  .refine(({ follow, until, boot }) => !follow || (until === undefined && (boot ?? 0) === 0), "only the present can be followed")
  .refine(({ kernel, units }) => !kernel || units.length === 0, "the kernel is no unit");

export const logs = lookCall({
  request,
  answer: (query, { runLines }, signal) => entriesOf(query, runLines, signal),
});

async function* entriesOf(query: JournalQuery, runLines: RunLines, signal: AbortSignal): AsyncGenerator<LogsResponseJson> {
  try {
    for await (const lines of runLines(journalctlArguments(query), signal)) {
      const entries = lines.flatMap((line) => parseJournalEntry(line) ?? []);
      if (entries.length > 0) yield { entries: entries.map(entryJson), cursor: entries.at(-1)!.cursor };
    }
  } catch (cause) {
    if (!(cause instanceof CommandError)) throw cause;
    if (!cause.result) {
      const isMissing = (cause.cause as NodeJS.ErrnoException | undefined)?.code === "ENOENT";
      const why = isMissing
        ? "the image has no journal: it has no journalctl"
        : "the machine cannot start another reader of its journal now";
      throw new AppError("LOGS_UNAVAILABLE", why, { cause });
    }
    const why = shortLine(cause.result.stderr.trim().split("\n").at(-1)!);
    // What is found nowhere is no failure, though some versions end like that.
    if (cause.result.exitCode === 1 && why === "") return;
    throw new AppError("LOGS_UNAVAILABLE", `the journal cannot be read: ${why}`, { cause });
  }
}

const entryJson = ({ time, priority, unit, identifier, pid, message, bootId }: JournalEntry): LogEntryJson => ({
  time: microsecondsJson(time),
  ...(priority === undefined ? {} : { priority: priorityJson(priority) }),
  ...(unit === undefined ? {} : { unit }),
  ...(identifier === undefined ? {} : { identifier }),
  ...(pid === undefined ? {} : { pid }),
  message: message.toWellFormed(),
  ...(bootId === undefined ? {} : { bootId }),
});

/** google.protobuf.Timestamp. */
function microsecondsJson(time: number): string {
  const micro = String(time % 1e6).padStart(6, "0");
  return `${new Date(Math.floor(time / 1e6) * 1000).toISOString().slice(0, 19)}.${micro}Z`;
}
