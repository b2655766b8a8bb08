import { z } from "zod";
import { EVENT_FIELDS, EVENT_KINDS, eventMatches, parseEvent, type EventKind } from "../../layout/events.ts";
import { parseJournalEntry } from "../../layout/journal-entry.ts";
import type { EventJson, EventKindJson, EventsResponseJson } from "../../protocol/petrify/v1/event_pb.ts";
import { lookCall } from "./call.ts";
import { cursorSchema, journalLines, linesSchema, microsecondsJson, momentSchema } from "./journal-entries.ts";
import { priorityJson } from "./log-priority.ts";

/** In the contract's words. */
const nameOf = (kind: EventKind): EventKindJson => `EVENT_KIND_${kind.toUpperCase().replaceAll("-", "_")}` as EventKindJson;
const NAMES = new Map(EVENT_KINDS.map((kind): [string, EventKind] => [nameOf(kind), kind]));

export const events = lookCall({
  request: z.strictObject({
    kinds: z
      .array(z.enum([...NAMES.keys()]).transform((name) => NAMES.get(name)!))
      .max(NAMES.size)
      .default([]),
    since: momentSchema.optional(),
    last: linesSchema,
    after: cursorSchema,
    follow: z.boolean().default(false),
  }),
  answer: async function* ({ kinds, last, ...range }, { runLines }, signal): AsyncGenerator<EventsResponseJson> {
    const matches = eventMatches(kinds.length > 0 ? kinds : EVENT_KINDS);
    const query = { ...range, units: [], kernel: false, lines: last, matches, fields: EVENT_FIELDS };
    for await (const lines of journalLines(query, runLines, signal)) {
      const found = lines.flatMap((line) => eventOf(line) ?? []);
      if (found.length > 0) yield { events: found.map(({ event }) => event), cursor: found.at(-1)!.cursor };
    }
  },
});

function eventOf(line: string): { readonly event: EventJson; readonly cursor: string } | undefined {
  const [entry, read] = [parseJournalEntry(line), parseEvent(line)];
  if (!entry || !read) return undefined;
  const { cursor, time, priority, message, bootId } = entry;
  const event: EventJson = {
    ...{ time: microsecondsJson(time), kind: nameOf(read.kind), text: message.toWellFormed() },
    ...(priority === undefined ? {} : { severity: priorityJson(priority) }),
    ...(bootId === undefined ? {} : { bootId }),
    [read.about]: read.facts,
  };
  return { event, cursor };
}
