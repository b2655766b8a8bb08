/** Logs of machines as people read them: nothing in them is sent to a terminal as it came. Pure. */
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { PRIORITIES, type LogPriority } from "../../layout/log-priority.ts";
import type { Event } from "../../protocol/petrify/v1/event_pb.ts";
import { Priority, type KernelMessage, type LogEntry } from "../../protocol/petrify/v1/log_pb.ts";

/** Sequences that terminals know, such as colours; then whatever else is not text. Source: ECMA-48, section 5.4 */
// eslint-disable-next-line no-control-regex -- these are what is looked for
const SEQUENCES = /\u001b\[[0-?]*[ -/]*[@-~]/g;
// eslint-disable-next-line no-control-regex -- these too
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029]/g;
/** What a terminal shows, and does not do. */
export const printable = (text: string): string => text.replaceAll(SEQUENCES, "").replaceAll(CONTROL, "?");

/** In the contract's words. */
export const priorityOf = (level: LogPriority | undefined): Priority =>
  level === undefined ? Priority.UNSPECIFIED : ((PRIORITIES.indexOf(level) + 1) as Priority);

const RED = "\u001b[31m";
const YELLOW = "\u001b[33m";
const RESET = "\u001b[0m";
/** Of machines, one after the other; red and yellow are for what is urgent. */
const NODE_COLOURS = [36, 32, 35, 34, 96, 92, 95, 94].map((number) => `\u001b[${number}m`);

const coloured = (text: string, colour: string | undefined): string => (colour === undefined ? text : `${colour}${text}${RESET}`);
const urgency = (priority: Priority): string | undefined => {
  if (priority === Priority.UNSPECIFIED || priority > Priority.WARNING) return undefined;
  return priority === Priority.WARNING ? YELLOW : RED;
};

/** What goes before each line. @param index of the machine among all that are asked */
export function nodePrefix(node: string, index: number, isColoured: boolean): string {
  return coloured(`${printable(node)} | `, isColoured ? NODE_COLOURS[index % NODE_COLOURS.length] : undefined);
}

/** `2026-11-22T20:42:16.123Z sshd[712]: text`; further lines are indented. */
export function entryText({ time, identifier, pid, priority, message, unit }: LogEntry, isColoured: boolean): string {
  const at = time ? timestampDate(time).toISOString() : "-";
  const who = printable(identifier || unit || "-").replaceAll(/\s/g, " ");
  const text = coloured(linesOf(message), isColoured ? urgency(priority) : undefined);
  return `${at} ${who}${pid === undefined ? "" : `[${pid}]`}: ${text}`;
}

/** `[    5.140900] text` */
export function kernelText({ sinceStart, priority, message }: KernelMessage, isColoured: boolean): string {
  const seconds = sinceStart ? Number(sinceStart.seconds) + sinceStart.nanos / 1e9 : 0;
  return `[${seconds.toFixed(6).padStart(12)}] ${coloured(linesOf(message), isColoured ? urgency(priority) : undefined)}`;
}

/** `2026-11-22T20:42:16.123Z slot-proven: text` @param kind as the contract has it: SLOT_PROVEN */
export function eventText({ time, severity, text }: Event, kind: string, isColoured: boolean): string {
  const at = time ? timestampDate(time).toISOString() : "-";
  return `${at} ${kind.toLowerCase().replaceAll("_", "-")}: ${coloured(linesOf(text), isColoured ? urgency(severity) : undefined)}`;
}

const linesOf = (text: string): string => printable(text).trimEnd().replaceAll("\n", "\n    ");
