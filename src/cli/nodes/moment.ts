import { InvalidArgumentError } from "commander";

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/**
 * A moment of the past: `90s`, `10m`, `2h`, `3d`, `1w` before now; `2026-11-22`, at its beginning in UTC; `2026-11-22T20:42Z`, with or without
 * seconds, or with a zone of its own: `+01:00`.
 *
 * @param now seconds since 1970 @returns seconds since 1970 @throws InvalidArgumentError
 */
export function parseMoment(text: string, now: number): number {
  const [, count, unit] = /^(\d{1,6})([smhdw])$/.exec(text) ?? [];
  if (unit !== undefined) return now - Number(count) * UNITS[unit]!;
  const isDate = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:\d\d))?$/.test(text);
  const time = isDate ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(time)) return time / 1000;
  throw new InvalidArgumentError("Write 90s, 10m, 2h, 3d or 1w ago, 2026-11-22, or 2026-11-22T20:42:00Z.");
}
