/** @portable How a machine keeps itself current, as its config says. docs/concepts/updates.md */
import type { Bytes, Seconds } from "../../core/units.ts";

/** What is done without anybody being asked: `notify` tells of it, `download` has it at hand, `stage` has it run after the next restart, `apply` restarts. */
export const UPDATE_MODES = ["notify", "download", "stage", "apply"] as const;
export type UpdateMode = (typeof UPDATE_MODES)[number];

/** Days of the week in their order. */
export const WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
export type Weekday = (typeof WEEKDAYS)[number];

/** When a machine may restart: on each of those days, from the time of day on, for so long. */
export interface UpdateWindow {
  readonly days: readonly Weekday[];
  /** `02:00`, as clocks in the zone show it. */
  readonly start: string;
  /** Of time that passes, whatever clocks are set to meanwhile. */
  readonly length: Seconds;
  /** A name of the time zone database: `Europe/Berlin`. */
  readonly zone: string;
}
/** Days on which no window begins, both included: `2026-12-20`, by the calendar of the window's zone. */
export interface UpdateException {
  readonly from: string;
  readonly to: string;
}
/** When restarts are allowed; without windows always. */
export interface UpdateCalendar {
  readonly windows: readonly UpdateWindow[];
  readonly exceptions: readonly UpdateException[];
}

/** Which release of the source is wanted: what a tag leads to, the newest in a range of versions, or one by its digest. */
export type UpdateChannel = { readonly tag: string } | { readonly versions: string } | { readonly digest: string };

export interface FleetLockConfig {
  /** Of the server, without `/v1/…`. */
  readonly url: string;
  readonly group: string;
  /** Default: made of the machine's id. */
  readonly id?: string;
}

export interface UpdatesConfig extends UpdateCalendar {
  /** A repository of a registry, `oci:FOLDER`, or the URL of a folder on an HTTP server. Without it nothing is looked for. */
  readonly source?: string;
  readonly channel: UpdateChannel;
  /** Between two looks, and up to so much more by the machine's own chance. */
  readonly check: { readonly every: Seconds; readonly jitter: Seconds };
  readonly mode: UpdateMode;
  /** Seconds since 1970: until then nothing is taken. */
  readonly holdUntil?: Seconds;
  /** Since a release was made. */
  readonly minAge: Seconds;
  /** Since a security release was made: from then on it waits for no window. */
  readonly maxDelay?: Seconds;
  /** Bytes a second. */
  readonly bandwidth?: Bytes;
  /** What follows on a line whose bytes cost money. */
  readonly metered: "wait" | "download";
  readonly retry: {
    readonly first: Seconds;
    readonly longest: Seconds;
    /** So many failures of one release, and it is given up; default: none is. */
    readonly limit?: number;
  };
  readonly coordination?: { readonly fleetlock: FleetLockConfig };
  readonly webhook?: { readonly url: string; readonly headers?: Readonly<Record<string, string>> };
}
