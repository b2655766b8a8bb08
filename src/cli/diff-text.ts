/** How `petrify diff` and `petrify reset-path` show what differs. */
import { formatSize } from "../core/units.ts";
import { VERDICTS, type DiffEntry, type Totals } from "../layout/persistent-diff.ts";

const WIDTH = 10;
const line = (word: string, path: string, more: readonly string[]): string =>
  `${word.padEnd(WIDTH)} ${shown(path)}${more.length > 0 ? `  (${more.join(", ")})` : ""}`;

/** `stale      /etc/app/x.conf  (mode 0644 → 0600)` */
export function entryLine({ path, verdict, stored, below, differs = {}, edited }: DiffEntry): string {
  const pairs = Object.entries(differs).map(([what, values]) =>
    values === true ? what : `${what} ${values.map(shown).join(" → ")}`,
  );
  const only = pairs.length === 1 && differs.content ? [] : pairs; // it goes without saying
  const more = below === undefined ? [] : [`${below} below${stored > 0 ? `, ${formatSize(stored)}` : ""}`];
  return line(verdict, path, [...more, ...only, ...(edited === false ? ["a copy that was never edited"] : [])]);
}

export const unreadableLine = ({ path, reason }: { readonly path: string; readonly reason: string }): string =>
  line("unreadable", path, [reason]);

/** `1 changed, 3 added, 1.2 MiB`; empty when there is nothing. */
export function totalsText(totals: Totals): string {
  const counts = VERDICTS.filter((verdict) => totals[verdict] > 0).map((verdict) => `${totals[verdict]} ${verdict}`);
  return counts.length === 0 ? "" : [...counts, formatSize(totals.stored)].join(", ");
}

/** A name that would break the line, or talk to the terminal, as JSON has it. */
export const shown = (text: string): string =>
  /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text)
    ? JSON.stringify(text).replaceAll(
        /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
        (c) => `\\u${c.codePointAt(0)!.toString(16).padStart(4, "0")}`,
      )
    : text;
