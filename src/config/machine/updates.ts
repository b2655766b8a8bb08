/** @portable `updates`: how a machine keeps itself current. What no machine could do is refused here, with the reason. docs/concepts/updates.md */
import { z } from "zod";
import { parseVersionRange } from "../../core/semver.ts";
import { formatDuration, KiB, parseDuration, type Bytes, type Seconds } from "../../core/units.ts";
import { DAY, isZone, startOfDay } from "../updates/calendar.ts";
import { UPDATE_MODES, WEEKDAYS, type UpdatesConfig, type Weekday } from "../updates/updates-config.ts";
import { Duration, Size } from "../words.ts";
import * as words from "./words.ts";

const MINUTE: Seconds = 60;
const HOUR: Seconds = 3600;

/** Digest, tag, and name of a repository as OCI has them; src/registry/reference.ts says what is wrong with one in detail. */
const DIGEST = /^sha256:[0-9a-f]{64}$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const REPOSITORY =
  /^(?:http:\/\/)?[A-Za-z0-9][A-Za-z0-9.-]*(?::\d{1,5})?(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)+(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?$/;
const FOLDER = /^oci:(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._@+~-]+)+(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?$/;
const HTTP_FOLDER = /^https?:\/\/[A-Za-z0-9[][!"$->A-[\]-~]{0,500}\/$/;

const Source = z.string().superRefine((source, context) => {
  if ([REPOSITORY, FOLDER, HTTP_FOLDER].some((form) => form.test(source))) return;
  const message = source.startsWith("https://")
    ? "must end with / where it is a folder on an HTTP server; of a registry, leave out https://"
    : "must be registry.example/image, oci:/folder, or the URL of a folder, with / at its end";
  context.addIssue({ code: "custom", message });
});

const Channel = z
  .union([
    z
      .string()
      .regex(TAG, "must be a tag, such as stable; ranges stand under versions")
      .transform((tag): { tag?: string | undefined; versions?: string | undefined; digest?: string | undefined } => ({ tag })),
    z.strictObject({
      tag: z.string().regex(TAG, "must be a tag, such as stable").optional().describe("What that tag leads to"),
      versions: z
        .string()
        .max(200)
        .refine((text) => parseVersionRange(text) !== undefined, "must be a range of versions, such as ^1.4 or >=1.4.0 <2.0.0")
        .optional()
        .describe("The newest release whose version is in this range: ^1.4, >=1.4.0 <2.0.0"),
      digest: z.string().regex(DIGEST, "must be sha256: and 64 hexadecimal digits").optional().describe("Exactly that release"),
    }),
  ])
  .superRefine((channel, context) => {
    const said = Object.values(channel).filter((value) => value !== undefined).length;
    if (said !== 1) context.addIssue({ code: "custom", message: "must have exactly one of tag, versions, digest" });
  });

const Zone = z.string().refine(isZone, "must be a name of the time zone database that is known, such as Europe/Berlin");

const SLOWEST: Bytes = 8 * KiB;
const SHORTEST_WINDOW = 10 * MINUTE;
const WEEK = 7 * DAY;
const TIME_OF_DAY = /^(?:[01]\d|2[0-3]):[0-5]\d$/;
const Length = z.string().transform((text, context) => {
  const seconds = parseDuration(text);
  if (seconds !== undefined && seconds >= SHORTEST_WINDOW && seconds <= WEEK) return seconds;
  const message = TIME_OF_DAY.test(text)
    ? "must be how long it is, such as 3h, not a time of day"
    : seconds === undefined
      ? "must be a whole number and a unit: 30min, 3h"
      : `must be ${formatDuration(SHORTEST_WINDOW)} … ${formatDuration(WEEK)}: an update takes minutes, with its restart`;
  context.addIssue({ code: "custom", message });
  return z.NEVER;
});
const Window = z
  .strictObject({
    days: z
      .array(z.enum(WEEKDAYS))
      .min(1, "must name a day, or be left out for all")
      .max(WEEKDAYS.length)
      .default([...WEEKDAYS])
      .describe("Days on which it begins: mon, tue …"),
    start: z
      .string()
      .regex(TIME_OF_DAY, 'must be a time of day, such as "02:00"')
      .describe("Time of day at which it begins, as clocks of the zone show it"),
    length: Length.describe("How long it is, of time that passes: 10min … 168h"),
    zone: Zone.optional().describe("Time zone: Europe/Berlin; default: `timezone`, else UTC"),
  })
  .superRefine(({ days, length }, context) => {
    const problem = (path: string, message: string): void => context.addIssue({ code: "custom", path: [path], message });
    if (new Set(days).size < days.length) problem("days", "has a day twice");
    const apart = shortestWay(days);
    if (length > apart) problem("length", `must be at most ${formatDuration(apart)}: then the window begins again`);
  });

/** From one of the days to the next of them. */
function shortestWay(days: readonly Weekday[]): Seconds {
  const at = days.map((day) => WEEKDAYS.indexOf(day)).toSorted((a, b) => a - b);
  const ways = at.map((day, index) => ((at[(index + 1) % at.length]! - day + 7 - 1) % 7) + 1);
  return Math.min(7, ...ways) * DAY;
}

const Day = z.string().refine(isDay, "must be a day, such as 2026-12-24");
function isDay(text: string): boolean {
  const time = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(text) : Number.NaN;
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}
const Exception = z
  .strictObject({
    from: Day.describe("The first day on which no window begins"),
    to: Day.optional().describe("The last one; default: the same day"),
  })
  .superRefine(({ from, to = from }, context) => {
    if (to < from) context.addIssue({ code: "custom", path: ["to"], message: "lies before from" });
  });

const Hold = z
  .string()
  .refine(
    (text) =>
      isDay(text) || (/^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:\d\d)$/.test(text) && !Number.isNaN(Date.parse(text))),
    "must be a day, such as 2027-01-15, or a moment with its zone, such as 2027-01-15T06:00:00Z",
  );

const Retry = z
  .strictObject({
    first: Duration({ min: 10, max: DAY })
      .default(5 * MINUTE)
      .describe("After the first failure; then twice as long each time"),
    longest: Duration({ min: MINUTE, max: WEEK })
      .default(6 * HOUR)
      .describe("No wait is longer"),
    limit: z
      .int()
      .min(1, "must be at least 1")
      .max(1000)
      .optional()
      .describe("So many failures of one release, and it is given up; default: none is"),
  })
  .refine(({ first, longest }) => first <= longest, { path: ["longest"], message: "is shorter than first" });

const FleetLock = z.strictObject({
  url: words.Url.describe("Of the server, without /v1/pre-reboot"),
  // Source: FleetLock protocol, "client_params"
  group: z
    .string()
    .regex(/^[A-Za-z0-9.-]{1,100}$/, "must be letters, digits, dots and dashes")
    .default("default")
    .describe("Machines that share the server's slots"),
  id: words.Line.min(1, "must not be empty")
    .max(200)
    .optional()
    .describe("What this machine is known by; default: made of its machine id"),
});

export const Updates = z
  .strictObject({
    source: Source.optional().describe(
      "Where releases come from: a repository, oci:/folder, or the URL of a folder with / at its end",
    ),
    channel: Channel.optional().describe(
      "Which of them is wanted: a tag, or a mapping; default: the tag of `source`, else latest",
    ),
    check: Duration({ min: MINUTE, max: 30 * DAY })
      .default(6 * HOUR)
      .describe("How often is looked: 1min … 720h"),
    jitter: Duration({ min: 1, max: 30 * DAY })
      .optional()
      .describe("Up to so much later, each time; default: a tenth of `check`"),
    mode: z
      .enum(UPDATE_MODES)
      .default("notify")
      .describe("What is done by itself: told, fetched, made what the next restart boots, or applied by a restart"),
    windows: z.array(Window).max(50).default([]).describe("When the machine may restart for it; default: always"),
    exceptions: z.array(Exception).max(200).default([]).describe("Days on which no window begins"),
    hold: Hold.optional().describe("Until then nothing is taken: a day, or a moment"),
    min_age: Duration({ min: MINUTE, max: 365 * DAY })
      .optional()
      .describe("How old a release has to be"),
    max_delay: Duration({ min: MINUTE, max: 365 * DAY })
      .optional()
      .describe("So long after it was made a security release waits for no window; default: it waits as others do"),
    bandwidth: Size.refine((bytes) => bytes >= SLOWEST, "must be at least 8KiB: servers give up on slower connections")
      .optional()
      .describe("Bytes a second at the most: 512KiB"),
    metered: z.enum(["wait", "download"]).default("wait").describe("Whether images are fetched on a line whose bytes cost money"),
    retry: Retry.default({ first: 5 * MINUTE, longest: 6 * HOUR }).describe("What follows when something fails"),
    coordination: z
      .strictObject({ fleetlock: FleetLock.describe("A server that speaks FleetLock") })
      .optional()
      .describe("Who says how many machines may be away at once"),
    webhook: z
      .strictObject({
        url: words.Url.meta({ ...words.secret, description: "http or https" }),
        headers: words.Headers.optional().describe("Header fields of the request"),
      })
      .optional()
      .describe("Who is told of each step, by POST"),
  })
  .superRefine(({ source, channel, min_age: minAge, max_delay: maxDelay, windows, exceptions, check, jitter }, context) => {
    const problem = (path: PropertyKey[], message: string): void => context.addIssue({ code: "custom", path, message });
    if (channel && source !== undefined && tagOf(source) !== undefined)
      problem(["channel"], "stands beside a source with a tag: leave out one of them");
    if (minAge !== undefined && maxDelay !== undefined && maxDelay < minAge)
      problem(["max_delay"], "is shorter than min_age: a release would have to be taken before it may be");
    if (jitter !== undefined && jitter > check) problem(["jitter"], "is longer than check");
    for (const [index, window] of windows.entries()) {
      const before = windows.slice(0, index).findIndex((other) => contradicts(other, window));
      if (before !== -1) problem(["windows", index], `begins with windows[${before}] on the same days, and is not as long`);
    }
    for (const [index, { from, to = from }] of exceptions.entries()) {
      if (exceptions.slice(0, index).some((other) => other.from === from && (other.to ?? other.from) !== to))
        problem(["exceptions", index], `begins on ${from}, as another one does that ends on another day`);
    }
  });

type WindowOf = z.output<typeof Window>;
const contradicts = (a: WindowOf, b: WindowOf): boolean =>
  a.start === b.start && a.zone === b.zone && a.length !== b.length && a.days.some((day) => b.days.includes(day));

/** Where a source has one: a colon before its last `/` belongs to the rest. */
const tagOf = (source: string): string | undefined =>
  /^https?:\/\/.*\/$/.test(source)
    ? undefined
    : /:([A-Za-z0-9_][A-Za-z0-9._-]*)$/.exec(source.slice(source.lastIndexOf("/") + 1))?.[1];

/** @param timezone of the machine, where the config says it: of windows and days that name none. One that nobody knows is UTC: the image refuses it */
export function updatesOf(updates: z.output<typeof Updates>, timezone = "UTC"): UpdatesConfig {
  const zone = isZone(timezone) ? timezone : "UTC";
  const { source, channel, check, windows, exceptions, hold, bandwidth, coordination, webhook } = updates;
  const tag = source === undefined ? undefined : tagOf(source);
  return {
    ...(source !== undefined && { source: tag === undefined ? source : source.slice(0, -tag.length - 1) }),
    channel: channelOf(channel, tag),
    check: { every: check, jitter: updates.jitter ?? Math.floor(check / 10) },
    mode: updates.mode,
    windows: windows.map((window) => ({ ...window, zone: window.zone ?? zone })),
    exceptions: exceptions.map(({ from, to = from }) => ({ from, to })),
    ...(hold !== undefined && { holdUntil: isDay(hold) ? startOfDay(hold, zone) : Math.floor(Date.parse(hold) / 1000) }),
    minAge: updates.min_age ?? 0,
    ...(updates.max_delay !== undefined && { maxDelay: updates.max_delay }),
    ...(bandwidth !== undefined && { bandwidth }),
    metered: updates.metered,
    retry: {
      ...{ first: updates.retry.first, longest: updates.retry.longest },
      ...(updates.retry.limit !== undefined && { limit: updates.retry.limit }),
    },
    ...(coordination && { coordination: { fleetlock: fleetLockOf(coordination.fleetlock) } }),
    ...(webhook && { webhook: { url: webhook.url, ...(webhook.headers && { headers: webhook.headers }) } }),
  };
}

function channelOf(channel: z.output<typeof Channel> | undefined, tag = "latest"): UpdatesConfig["channel"] {
  if (channel?.digest !== undefined) return { digest: channel.digest };
  if (channel?.versions !== undefined) return { versions: channel.versions };
  return { tag: channel?.tag ?? tag };
}

const fleetLockOf = ({ url, group, id }: z.output<typeof FleetLock>) => ({
  ...{ url: url.replace(/\/+$/, ""), group },
  ...(id !== undefined && { id }),
});
