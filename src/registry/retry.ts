/** When something that failed is tried again. Pure. */

/** Milliseconds. */
type Milliseconds = number;

const FIRST: Milliseconds = 500;
const LONGEST: Milliseconds = 30_000;
/** What a server asks for beyond this is told to the person instead. */
const LONGEST_ASKED: Milliseconds = 5 * 60_000;

/**
 * How long to wait before the next try: up to twice as long each time, and at least half of that, so that many nodes that failed together do not come
 * back together.
 *
 * @param failures so far, from 1
 * @param random in [0, 1)
 * @param asked what the server said by `Retry-After`
 * @returns nothing where waiting so long makes no sense
 */
export function retryDelay(failures: number, random: number, asked: Milliseconds | undefined): Milliseconds | undefined {
  const most = Math.min(LONGEST, FIRST * 2 ** Math.min(failures - 1, 16));
  const own = most / 2 + (most / 2) * random;
  if (asked === undefined) return own;
  return asked > LONGEST_ASKED ? undefined : asked + own;
}

/**
 * Source: RFC 9110, section 10.2.3.
 *
 * @param date the answer's own `Date`: a time that it names is compared with its clock, since that of the machine may not be set
 */
export function parseRetryAfter(field: string | undefined, date: string | undefined): Milliseconds | undefined {
  if (field === undefined) return undefined;
  if (/^\d{1,9}$/.test(field)) return Number(field) * 1000;
  const until = Date.parse(field) - Date.parse(date ?? "");
  return Number.isNaN(until) ? undefined : Math.max(0, until);
}

/** Statuses after which the same request may be answered otherwise. Source: RFC 9110, section 15; RFC 6585, section 4 */
export const PASSING: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);
