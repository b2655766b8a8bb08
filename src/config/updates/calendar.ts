/**
 * @portable When windows are open. A window begins when clocks of its zone show its start, once on each of its days, and is open for its length of time that passes.
 *
 * Where clocks are set forward over its start it begins as much later (02:30 is 03:30 that day); where they show its start twice it begins the first time. So it is never
 * skipped, never doubled, never shorter. Source: RFC 5545, section 3.3.5, "FORM #3"; ECMAScript Temporal, disambiguation "compatible"
 */
import type { Seconds } from "../../core/units.ts";
import { WEEKDAYS, type UpdateCalendar, type UpdateException, type UpdateWindow } from "./updates-config.ts";

/** Both in seconds since 1970; the end is not part of it. */
export interface Opening {
  readonly start: Seconds;
  readonly end: Seconds;
}

export const DAY: Seconds = 86_400;
/** Most windows come again within that. */
const SOON: Seconds = 9 * DAY;
/** Further ahead nobody looks: exceptions may cover all that there is. */
const HORIZON: Seconds = 400 * DAY;

/** Whether the zone is one that this program has data of. */
export function isZone(name: string): boolean {
  // An offset is taken for a zone, too, and is that of one season only.
  if (!/^[A-Za-z][A-Za-z0-9_+-]*(?:\/[A-Za-z0-9_+-]+){0,2}$/.test(name)) return false;
  try {
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(name);
    return true;
  } catch {
    return false;
  }
}

/**
 * Each time that is open and meets [from, to), in order; windows that meet are one opening. What is always open ends with the time that was asked about.
 *
 * @throws RangeError for an unknown zone
 */
export function openings({ windows, exceptions }: UpdateCalendar, from: Seconds, to: Seconds): Opening[] {
  if (windows.length === 0) return from < to ? [{ start: from, end: to }] : [];
  const all = windows.flatMap((window) => occurrences(window, exceptions, from, to)).toSorted((a, b) => a.start - b.start);
  const merged: Opening[] = [];
  for (const one of all) {
    const last = merged.at(-1);
    if (last && one.start <= last.end) merged[merged.length - 1] = { start: last.start, end: Math.max(last.end, one.end) };
    else merged.push(one);
  }
  return merged;
}

/** The first opening that is open at a moment or later, and that will do; nothing within {@link HORIZON}. */
export function nextOpening(
  calendar: UpdateCalendar,
  from: Seconds,
  isEnough: (opening: Opening) => boolean = () => true,
): Opening | undefined {
  const soon = openings(calendar, from, from + SOON).find(isEnough);
  return soon ?? openings(calendar, from, from + HORIZON).find(isEnough);
}

/** The longest that a window is open at once, whatever exceptions say; nothing without windows. */
export const longestWindow = ({ windows }: UpdateCalendar): Seconds | undefined =>
  windows.length === 0 ? undefined : Math.max(...windows.map(({ length }) => length));

function occurrences(
  { days, start, length, zone }: UpdateWindow,
  exceptions: readonly UpdateException[],
  from: Seconds,
  to: Seconds,
): Opening[] {
  const wanted = new Set(days.map((day) => WEEKDAYS.indexOf(day) + 1));
  const time = Temporal.PlainTime.from(start);
  const found: Opening[] = [];
  // Clocks that are set move a start by less than two days, where a whole day is left out.
  const first = dayOf(from - length - 2 * DAY, zone);
  const last = dayOf(to + DAY, zone);
  for (let day = first; Temporal.PlainDate.compare(day, last) <= 0; day = day.add({ days: 1 })) {
    if (!wanted.has(day.dayOfWeek)) continue;
    const text = day.toString();
    if (exceptions.some((one) => one.from <= text && text <= one.to)) continue;
    const begins = Math.floor(day.toZonedDateTime({ timeZone: zone, plainTime: time }).epochMilliseconds / 1000);
    if (begins + length > from && begins < to) found.push({ start: begins, end: begins + length });
  }
  return found;
}

const dayOf = (at: Seconds, zone: string): Temporal.PlainDate =>
  Temporal.Instant.fromEpochMilliseconds(at * 1000)
    .toZonedDateTimeISO(zone)
    .toPlainDate();

/** The moment at which a day begins in a zone. */
export const startOfDay = (day: string, zone: string): Seconds =>
  Math.floor(Temporal.PlainDate.from(day).toZonedDateTime(zone).epochMilliseconds / 1000);

/** As people in the zone write it: `Sat 2026-11-28 02:00`. */
export function zonedText(at: Seconds, zone: string): string {
  const time = Temporal.Instant.fromEpochMilliseconds(at * 1000).toZonedDateTimeISO(zone);
  const day = WEEKDAYS[time.dayOfWeek - 1]!;
  return `${day[0]!.toUpperCase()}${day.slice(1)} ${time.toPlainDate().toString()} ${time.toPlainTime().toString().slice(0, 5)}`;
}
