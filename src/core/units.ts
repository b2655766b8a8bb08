/** @portable Sizes in bytes and times in seconds: constants, text in, text out. */
import { AppError } from "./error.ts";

/** A size or an offset in bytes; never sectors or blocks. */
export type Bytes = number;
export const KiB: Bytes = 1024;
export const MiB: Bytes = 1024 ** 2;
export const GiB: Bytes = 1024 ** 3;

const UNITS: Readonly<Record<string, Bytes>> = { KiB, MiB, GiB, TiB: 1024 ** 4 };

/**
 * `512MiB`, `4GiB` … to bytes.
 *
 * @throws AppError `SIZE_INVALID`
 */
export function parseSize(text: string): Bytes {
  const match = /^([1-9]\d*)(KiB|MiB|GiB|TiB)$/.exec(text);
  const bytes = match ? Number(match[1]) * UNITS[match[2]!]! : Number.NaN;
  if (!Number.isSafeInteger(bytes)) {
    throw new AppError("SIZE_INVALID", `${JSON.stringify(text)} is not a size`, {
      hint: "Write a whole number and a unit: 512MiB, 4GiB.",
    });
  }
  return bytes;
}

/** Bytes for people: `0 B`, `12.3 MiB`. */
export function formatSize(bytes: Bytes): string {
  for (const [name, unit] of Object.entries(UNITS).toReversed()) {
    if (bytes >= unit) return `${Number((bytes / unit).toFixed(1))} ${name}`;
  }
  return `${bytes} B`;
}

/** Rounds up to a multiple of `step`. */
export const alignUp = (bytes: Bytes, step: Bytes): Bytes => Math.ceil(bytes / step) * step;

/** A length of time. */
export type Seconds = number;

const TIMES: Readonly<Record<string, Seconds>> = { s: 1, min: 60, h: 3600 };

/** `30s`, `5min`, `1h` to seconds; nothing else is a time. */
export function parseDuration(text: string): Seconds | undefined {
  const match = /^([1-9]\d{0,8})(s|min|h)$/.exec(text);
  return match ? Number(match[1]) * TIMES[match[2]!]! : undefined;
}

/** Whole seconds for people, in the largest unit that fits: `90s`, `5min`. */
export function formatDuration(seconds: Seconds): string {
  const [name, unit] = Object.entries(TIMES).findLast(([, length]) => seconds >= length && seconds % length === 0) ?? ["s", 1];
  return `${seconds / unit}${name}`;
}

/** How long it is for people, in the largest unit that fits twice: `45 s`, `12 min`, `3 h`, `5 d`; never less than 0 s. */
export function formatSpan(seconds: Seconds): string {
  const units: readonly (readonly [name: string, size: Seconds])[] = [
    ["d", 86_400],
    ["h", 3600],
    ["min", 60],
  ];
  const whole = Math.max(0, Math.floor(seconds));
  const [name, size] = units.find(([, unit]) => whole >= 2 * unit) ?? ["s", 1];
  return `${Math.floor(whole / size)} ${name}`;
}
