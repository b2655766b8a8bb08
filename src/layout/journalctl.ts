/** @portable What journalctl is asked for. Pure. Source: journalctl(1) */
import { JOURNAL_FIELDS } from "./journal-entry.ts";
import { PRIORITIES } from "./log-priority.ts";

export interface JournalQuery {
  /** Names or patterns. */
  readonly units: readonly string[];
  readonly kernel: boolean;
  /** 0 is the present boot, -1 the one before it. */
  readonly boot?: number | undefined;
  /** Seconds since 1970. */
  readonly since?: number | undefined;
  readonly until?: number | undefined;
  /** 0 … 7: so urgent at least. */
  readonly priority?: number | undefined;
  readonly grep?: string | undefined;
  readonly lines?: number | undefined;
  /** A cursor. */
  readonly after?: string | undefined;
  readonly follow: boolean;
  /** Fields that entries have to have: `FIELD=value`; `+` between groups of them, any of which will do. */
  readonly matches?: readonly string[] | undefined;
  /** What of an entry is asked for, besides what every one of them is read with. */
  readonly fields?: readonly string[] | undefined;
}

/** Every value is part of its option's word: none of them can be taken for another option. */
export function journalctlArguments(query: JournalQuery): readonly [string, ...string[]] {
  const { units, kernel, boot, since, until, priority, grep, lines, after, follow, matches = [], fields = [] } = query;
  return [
    "journalctl",
    ...[
      "--output=json",
      `--output-fields=${[...JOURNAL_FIELDS, ...fields].join(",")}`,
      "--all",
      "--no-pager",
      "--quiet",
      "--utc",
    ],
    ...units.map((unit) => `--unit=${unit}`),
    ...(boot === undefined ? [] : [`--boot=${boot}`]),
    ...(since === undefined ? [] : [`--since=@${since.toFixed(6)}`]),
    ...(until === undefined ? [] : [`--until=@${until.toFixed(6)}`]),
    ...(priority === undefined ? [] : [`--priority=${PRIORITIES[priority]}`]),
    ...(grep === undefined ? [] : [`--grep=${grep}`]),
    // Who follows gets the last ten otherwise.
    ...(lines === undefined ? (follow ? ["--lines=all"] : []) : [`--lines=${lines}`]),
    ...(after === undefined ? [] : [`--after-cursor=${after}`]),
    ...(follow ? ["--follow"] : []),
    // Else it is of the present boot alone, and what was said before a restart is not told to who comes again.
    ...(follow && boot === undefined ? ["--merge"] : []),
    ...(kernel ? ["_TRANSPORT=kernel"] : []),
    ...matches,
  ];
}
