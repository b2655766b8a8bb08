import { z } from "zod";
import type { RunLines } from "../../host/run-lines.ts";
import { parseJournalEntry, type JournalEntry } from "../../layout/journal-entry.ts";
import type { JournalQuery } from "../../layout/journalctl.ts";
import type { LogEntryJson, LogsResponseJson } from "../../protocol/petrify/v1/log_pb.ts";
import { lookCall } from "./call.ts";
import { cursorSchema, journalLines, linesSchema, microsecondsJson, momentSchema } from "./journal-entries.ts";
import { priorityJson, priorityRequest } from "./log-priority.ts";

/** Units that one call may name. */
const MOST_UNITS = 32;

const request = z
  .strictObject({
    units: z
      .array(z.string().regex(/^[A-Za-z0-9:_.@\\*?[\]-]{1,255}$/, "no name of a unit"))
      .max(MOST_UNITS)
      .default([]),
    kernel: z.boolean().default(false),
    boot: z.int().min(-9999, "no boot that there was").max(0, "no boot that there was").optional(),
    since: momentSchema.optional(),
    until: momentSchema.optional(),
    priority: priorityRequest,
    grep: z
      .string()
      .min(1)
      .max(1000)
      .regex(/^\P{Cc}+$/u, "an expression of one line")
      .optional(),
    lines: linesSchema,
    after: cursorSchema,
    follow: z.boolean().default(false),
  })
  .refine(({ follow, until, boot }) => !follow || (until === undefined && (boot ?? 0) === 0), "only the present can be followed")
  .refine(({ kernel, units }) => !kernel || units.length === 0, "the kernel is no unit");

export const logs = lookCall({
  request,
  answer: (query, { runLines }, signal) => entriesOf(query, runLines, signal),
});

async function* entriesOf(query: JournalQuery, runLines: RunLines, signal: AbortSignal): AsyncGenerator<LogsResponseJson> {
  for await (const lines of journalLines(query, runLines, signal)) {
    const entries = lines.flatMap((line) => parseJournalEntry(line) ?? []);
    if (entries.length > 0) yield { entries: entries.map(entryJson), cursor: entries.at(-1)!.cursor };
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
