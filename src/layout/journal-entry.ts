/** @portable An entry of the journal as journalctl writes it in JSON. Pure. Source: systemd, "Journal JSON Format"; systemd.journal-fields(7) */
import type { Bytes } from "../core/units.ts";

export interface JournalEntry {
  readonly cursor: string;
  /** Microseconds since 1970. */
  readonly time: number;
  /** 0 … 7, as in syslog(3). */
  readonly priority?: number;
  readonly unit?: string;
  readonly identifier?: string;
  readonly pid?: number;
  readonly message: string;
  readonly bootId?: string;
}

/** What is asked for; the cursor, the times and the boot come without it. */
export const JOURNAL_FIELDS = [
  ...["MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER", "_COMM", "_PID", "SYSLOG_PID", "_SYSTEMD_UNIT", "UNIT", "_TRANSPORT"],
] as const;

/** Of a message; more of it is of no use to anybody who reads lines. */
const MESSAGE_LIMIT: Bytes = 32_768;

/** Fields of an entry by their names; one that is empty is none. @returns nothing for what is no entry. Never throws. */
export function readJournalLine(line: string): ((name: string) => string | undefined) | undefined {
  const fields = fieldsOf(line);
  return fields && ((name) => textOf(fields[name]) || undefined);
}

/** @returns nothing for what is no entry. Never throws. */
export function parseJournalEntry(line: string): JournalEntry | undefined {
  const text = readJournalLine(line);
  const [cursor, time] = [text?.("__CURSOR"), Number(text?.("__REALTIME_TIMESTAMP"))];
  if (!text || !cursor || !Number.isSafeInteger(time)) return undefined;
  const number = (name: string, most: number): number | undefined => {
    const found = text(name) ?? "";
    return /^\d{1,10}$/.test(found) && Number(found) <= most ? Number(found) : undefined;
  };
  const priority = number("PRIORITY", 7);
  // What PID 1 says of a unit is in the unit's own log.
  const unit = text("UNIT") ?? text("_SYSTEMD_UNIT");
  const identifier = text("SYSLOG_IDENTIFIER") ?? text("_COMM") ?? (text("_TRANSPORT") === "kernel" ? "kernel" : undefined);
  const pid = number("_PID", 0xff_ff_ff_ff) ?? number("SYSLOG_PID", 0xff_ff_ff_ff);
  const bootId = text("_BOOT_ID");
  return {
    ...{ cursor, time, message: shortened(text("MESSAGE") ?? "") },
    ...(priority === undefined ? {} : { priority }),
    ...(unit === undefined ? {} : { unit }),
    ...(identifier === undefined ? {} : { identifier }),
    ...(pid === undefined ? {} : { pid }),
    ...(bootId === undefined ? {} : { bootId }),
  };
}

function fieldsOf(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** A value is a text; bytes that are no UTF-8, as numbers; or, of a field that is there several times, a list of those, of which the first one counts. */
function textOf(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (!Array.isArray(value)) return undefined;
  if (!value.every((byte) => Number.isInteger(byte) && byte >= 0 && byte < 256)) return textOf(value[0]);
  return new TextDecoder().decode(Uint8Array.from(value as number[]));
}

function shortened(text: string): string {
  if (text.length <= MESSAGE_LIMIT) return text;
  // Not through the middle of a character of two halves.
  return `${text.slice(0, MESSAGE_LIMIT).replace(/[\ud800-\udbff]$/, "")}…`;
}
