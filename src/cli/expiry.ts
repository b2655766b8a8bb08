import { UsageError } from "./output.ts";

const DAY = 86_400;
const UNITS: Readonly<Record<string, number>> = { h: 3600, d: DAY, w: 7 * DAY };

/**
 * `90d`, `12w`, `36h` from when the release is created, or a date (`2027-01-31`, at its beginning in UTC; `2027-01-31T12:00:00Z`).
 *
 * @returns seconds since 1970, by when the release was created @throws UsageError
 */
export function parseExpiry(text: string): (created: number) => number {
  const [, count, unit] = /^([1-9]\d{0,4})([hdw])$/.exec(text) ?? [];
  if (count !== undefined) return (created) => created + Number(count) * UNITS[unit!]!;
  const time = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\dZ)?$/.test(text) ? Date.parse(text) : Number.NaN;
  const isDate = !Number.isNaN(time) && new Date(time).toISOString().startsWith(text.slice(0, 10)); // the 31st of April is none
  if (isDate) return () => time / 1000;
  throw new UsageError("USAGE", `--expires ${text} is neither a span nor a date`, {
    hint: "Write 90d, 12w, 36h, 2027-01-31, or 2027-01-31T12:00:00Z.",
  });
}
