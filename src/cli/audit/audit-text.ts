/** What the audit log of a machine says, on the machine and from elsewhere. docs/formats/audit.md */
import { InvalidArgumentError, Option, type Command } from "commander";
import { timeText } from "../../core/date-text.ts";
import { sha256 } from "../../host/sha256.ts";
import {
  formatAuditHead,
  parseAuditHead,
  readAudit,
  type AuditBytes,
  type AuditEntry,
  type AuditHead,
} from "../../layout/audit-log.ts";
import { shortLine } from "../../layout/short-line.ts";

export interface ShowOptions {
  readonly last: number;
}
export interface VerifyOptions {
  readonly known?: AuditHead;
}

interface Verified {
  readonly whole: boolean;
  readonly entries: number;
  /** `NUMBER:DIGEST` of the newest entry. */
  readonly head: string;
  readonly problems: readonly string[];
}

export const ABOUT = {
  summary: "who has changed what on a machine",
  description:
    "Each call that changes something is in the audit log of the machine, with who has made it: over the API, as root on\n" +
    "the machine, or as the hypervisor. Upgrades and rollbacks leave the log as it is.",
} as const;

const wholeNumber = (text: string): number => {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Write a number from 1 on.");
};
const head = (text: string): AuditHead => {
  const found = parseAuditHead(text);
  if (found) return found;
  throw new InvalidArgumentError("Write what `audit verify` has printed: NUMBER:DIGEST.");
};

/** @param node words that name a machine in examples: `-n edge-7 ` */
export const addShowOptions = (command: Command, node: string): Command =>
  command
    .summary("the newest entries")
    .description("Prints what was asked for, by whom, and what came of it: the oldest first.")
    .addOption(new Option("--last <entries>", "how many").argParser(wholeNumber).default(50))
    .addHelpText("after", `\nExamples:\n  petrify ${node}audit show\n  petrify ${node}audit show --last 5 --json`);

export const addVerifyOptions = (command: Command, node: string): Command =>
  command
    .summary("compare every byte of the log with what was written")
    .description(
      "Says whether anything of the log was changed or taken out, and prints number and digest of its newest entry.\n" +
        "Whoever is root on a machine can write all of its log anew: keep what is printed elsewhere, and compare it with\n" +
        "--known. Exit code 1: it is not what was written.",
    )
    .addOption(new Option("--known <entry>", "NUMBER:DIGEST of an entry that has to be in it").argParser(head))
    .addHelpText("after", `\nExamples:\n  petrify ${node}audit verify\n  petrify ${node}audit verify --known 118:41d6…`);

/** The newest ones; a log that is damaged says what can be read of it. */
export function shownAudit(bytes: AuditBytes, { last }: ShowOptions): { readonly value: object; readonly text: string } {
  const { entries, problems } = readAudit(bytes, sha256);
  const told = entries.filter(({ is }) => is !== "open" && is !== "close").slice(-last);
  return {
    value: { entries: told, problems },
    text: [...told.map(entryText), ...problems.map((problem) => `damaged: ${problem}`)].join("\n") || "Nothing was ever changed.",
  };
}

export function verifiedAudit(bytes: AuditBytes, { known }: VerifyOptions): { readonly value: Verified; readonly text: string } {
  const { entries, problems, head: newest } = readAudit(bytes, sha256, known);
  const whole = problems.length === 0;
  const name = formatAuditHead(newest);
  return {
    value: { whole, entries: entries.length, head: name, problems },
    text: whole
      ? `Whole: ${entries.length} entries, the newest is ${name}`
      : problems.map((problem) => `DAMAGED: ${problem}`).join("\n"),
  };
}

/** One line. */
function entryText(entry: AuditEntry): string {
  return shortLine(`${String(entry.n).padEnd(6)}${timeText(entry.at)}  ${whatText(entry)}`);
}

function whatText(entry: AuditEntry): string {
  switch (entry.is) {
    case "begin": {
      const { name, role, address, via } = entry.by;
      const who = via === "api" ? `${name} (${[role, address].filter(Boolean).join(", ")})` : name;
      return `${who}: ${entry.call}${entry.arguments ? ` ${JSON.stringify(entry.arguments)}` : ""}`;
    }
    case "end":
      return `  of ${entry.of}: ${entry.outcome}${entry.reason === undefined ? "" : `: ${entry.reason}`}`;
    case "operation":
      return `${entry.kind} ${entry.operation}: ${entry.outcome}${entry.reason === undefined ? "" : `: ${entry.reason}`}`;
    case "mended":
      return `the log was mended: ${entry.bytes} bytes were no entry`;
    case "open":
    case "close":
      return entry.is;
  }
}
