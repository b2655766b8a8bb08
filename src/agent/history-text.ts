/** What was done to a machine's images, for people. Pure. */
import { downloadedText } from "../layout/downloaded-text.ts";
import type { HistoryEntry } from "./operations/service.ts";

const LOG_LINES = 12;
const KINDS: Readonly<Record<HistoryEntry["kind"], string>> = {
  upgrade: "upgrade",
  rollback: "rollback",
  "recovery-upgrade": "upgrade of recovery",
  reset: "reset",
  wipe: "wipe",
};

export function historyText(entries: readonly HistoryEntry[]): string {
  return entries.length === 0 ? "Nothing has been done." : entries.map(entryText).join("\n\n");
}

function entryText({
  startedAt,
  kind,
  only,
  image,
  target,
  from,
  cause,
  outcome,
  reason,
  code,
  hint,
  duration,
  way,
  downloaded,
  log,
}: HistoryEntry): string {
  const when = new Date(startedAt * 1000).toISOString().replace("T", " ").slice(0, 19);
  const what = image.name === undefined ? "" : ` to ${image.name} ${image.version}`;
  const row = (name: string, text: string): string => `  ${name.padEnd(9)}${text}`;
  return [
    `${when}  ${only ?? KINDS[kind]}${what}: ${outcome}`,
    ...(reason ? [row("reason", `${reason}${code === undefined ? "" : ` (${code})`}`)] : []),
    ...(hint ? [row("hint", hint)] : []),
    row(
      "target",
      `${target}, from ${from.slot === "recovery" ? "recovery" : `slot ${from.slot}`}${from.version ? ` (${from.version})` : ""}`,
    ),
    ...(image.digest ? [row("image", `sha256:${image.digest}`)] : []),
    ...(way === undefined ? [] : [row("by", way)]),
    ...(downloaded ? [row("bytes", downloadedText(downloaded.bytes, downloaded.of))] : []),
    row("cause", cause),
    ...(duration === undefined ? [] : [row("took", `${duration} s`)]),
    ...(log
      ? [
          row("log", `from its ${log.source}:`),
          ...log.text
            .split("\n")
            .slice(-LOG_LINES)
            .map((line) => `    | ${line}`),
        ]
      : []),
  ].join("\n");
}
