/** @portable The audit log of a machine: who has changed what, each entry with the digest of the one before. Pure. docs/formats/audit.md */
import { hex, type Sha256 } from "../core/digest.ts";
import { AppError } from "../core/error.ts";
import { KiB, type Bytes } from "../core/units.ts";
import { asciiJson } from "./ascii-json.ts";
import { byteText, bytesOfText } from "./byte-text.ts";

/** On the oem partition: neither an upgrade nor a rollback changes it. */
export const AUDIT_FOLDER = "/oem/petrify/audit";
/** In it. The two that have entries are used in turn. */
export const AUDIT_FILES = ["audit-1", "audit-2"] as const;
export const AUDIT_HEAD = "head";
/** Of each file: made once at this size, then only overwritten in place, so that a full disk does not matter. */
export const AUDIT_FILE_SIZE: Bytes = 1024 * KiB;
/** What a disk writes whole or not at all. */
export const AUDIT_HEAD_SIZE: Bytes = 512;
/** Of a line with its end. Arguments that are longer are left out. */
export const AUDIT_LINE_SIZE: Bytes = 4 * KiB;

const FORMAT = 1;
/** The digest before the first entry of all. */
const NONE = "0".repeat(64);
const NEWLINE = 0x0a;

/** Who has asked for something. */
export interface AuditCaller {
  /** Of the certificate's subject; `root` and `hypervisor` have none. */
  readonly name: string;
  readonly via: "socket" | "port" | "api";
  readonly role?: string;
  /** Of the certificate, in hexadecimal digits. */
  readonly serial?: string;
  /** From where. */
  readonly address?: string;
}
export type AuditFields =
  /** The first one of a file. */
  | { readonly is: "open"; readonly format: number }
  /** The last one of a file that is full. */
  | { readonly is: "close" }
  | {
      readonly is: "begin";
      /** The agent's call: `POST /upgrade`. */
      readonly call: string;
      readonly by: AuditCaller;
      /** Nothing of it is secret. */
      readonly arguments?: object;
    }
  | {
      readonly is: "end";
      /** Number of its `begin`. */
      readonly of: number;
      /** `restarting`: the machine does, and goes on with it. `left`: nobody waits for it any more; what was begun goes on. */
      readonly outcome: "done" | "failed" | "restarting" | "left";
      readonly code?: string;
      /** One sentence. */
      readonly reason?: string;
    }
  /** What changes an image has ended. */
  | {
      readonly is: "operation";
      readonly operation: string;
      readonly kind: string;
      readonly outcome: string;
      readonly reason?: string;
    }
  /** What a power cut had left of an entry was taken out, or the head made anew: so many bytes. */
  | { readonly is: "mended"; readonly bytes: Bytes };
export type AuditEntry = AuditFields & {
  /** From 1 on, without gaps. */
  readonly n: number;
  /** Seconds since 1970. */
  readonly at: number;
  /** Digest of the entry before. */
  readonly before: string;
};
/** The newest entry. */
export interface AuditHead {
  readonly n: number;
  readonly hash: string;
}
export const EMPTY_AUDIT: AuditHead = { n: 0, hash: NONE };

/** What is on the disk; what is missing is not there. */
export interface AuditBytes {
  readonly files: readonly [Uint8Array | undefined, Uint8Array | undefined];
  readonly head: Uint8Array | undefined;
}

/**
 * One entry as a line. Its digest is that of the document without it, so that `sed 's/,"hash":"[0-9a-f]*"}$/}/' | sha256sum` finds it, too.
 *
 * @returns the line with its end, and what the head becomes with it
 */
export function encodeAuditEntry(
  fields: AuditFields,
  { n, hash }: AuditHead,
  at: number,
  sha256: Pick<Sha256, "digest">,
): { readonly line: Uint8Array; readonly head: AuditHead } {
  const text = (what: AuditFields): string => asciiJson({ n: n + 1, at, ...what, before: hash });
  const whole = text(fields);
  const body = whole.length > AUDIT_LINE_SIZE - 128 && "arguments" in fields ? text({ ...fields, arguments: {} }) : whole;
  const own = digestOf(body, sha256);
  return {
    line: bytesOfText(`${body.slice(0, -1)},"hash":"${own}"}\n`),
    head: { n: n + 1, hash: own },
  };
}

const digestOf = (text: string, sha256: Pick<Sha256, "digest">): string => hex(sha256.digest(bytesOfText(text)));

const LINE = /^(\{"n":([1-9]\d{0,14}),"at":\d{1,15},"is":"[a-z]+",.*"before":"[0-9a-f]{64}"),"hash":"([0-9a-f]{64})"\}$/;

interface Line {
  readonly entry: AuditEntry;
  readonly hash: string;
}

/** Nothing for what is not certainly an entry as it was written. */
function decodeLine(line: string, sha256: Pick<Sha256, "digest">): Line | undefined {
  const [, body, , hash] = LINE.exec(line) ?? [];
  if (body === undefined || digestOf(`${body}}`, sha256) !== hash) return undefined;
  try {
    return { entry: JSON.parse(`${body}}`) as AuditEntry, hash };
  } catch {
    return undefined;
  }
}

/** @returns {@link AUDIT_HEAD_SIZE} bytes */
export function encodeAuditHead({ n, hash }: AuditHead): Uint8Array {
  const bytes = new Uint8Array(AUDIT_HEAD_SIZE).fill(NEWLINE);
  bytes.set(bytesOfText(`{"n":${n},"hash":"${hash}"}`));
  return bytes;
}

/** Nothing for what is not certainly one. */
export function decodeAuditHead(bytes: Uint8Array): AuditHead | undefined {
  const [, n, hash] = /^\{"n":(0|[1-9]\d{0,14}),"hash":"([0-9a-f]{64})"\}\n+$/.exec(byteText(bytes)) ?? [];
  return n !== undefined && bytes.length === AUDIT_HEAD_SIZE ? { n: Number(n), hash: hash! } : undefined;
}

/** @returns a file without an entry: lines without a character */
export const blankAudit = (): Uint8Array => new Uint8Array(AUDIT_FILE_SIZE).fill(NEWLINE);

/** Where the next entry goes. */
export interface AuditPlace {
  readonly file: 0 | 1;
  readonly offset: Bytes;
  /** What it is chained to. */
  readonly head: AuditHead;
  /** What a power cut has left of an entry: bytes from `offset` on that come to nothing. */
  readonly torn: Bytes;
  /** The file has its last entry; the other one is to be begun. */
  readonly closed: boolean;
}

/**
 * Where the log goes on, from a look at the ends of its files. What is damaged stays as it is: it is evidence.
 *
 * @returns nothing where there is no log yet
 * @throws AppError `AUDIT_NEWER`: newer software's log is left alone
 */
export function endOfAudit({ files, head: bytes }: AuditBytes, sha256: Pick<Sha256, "digest">): AuditPlace | undefined {
  for (const file of files) if (file && formatOf(file, sha256) > FORMAT) throw tooNew();
  if (!bytes && files.every((file) => file === undefined)) return undefined;
  const stored = (bytes && decodeAuditHead(bytes)) ?? EMPTY_AUDIT;
  const [one, two] = files.map((file) => (file ? endOfFile(file, sha256) : NO_END)) as [FileEnd, FileEnd];
  const file = (two.last?.entry.n ?? 0) > (one.last?.entry.n ?? 0) ? 1 : 0;
  const end = file === 1 ? two : one;
  const found: AuditHead = end.last ? { n: end.last.entry.n, hash: end.last.hash } : EMPTY_AUDIT;
  // What the head counts was written whole: what is there in its place is no power cut's doing.
  const isCut = stored.n <= found.n;
  const torn = isCut ? end.used - end.whole : 0;
  return {
    file,
    offset: isCut ? end.whole : end.used,
    head: isCut ? found : stored,
    torn,
    closed: end.last?.entry.is === "close" && isCut,
  };
}

const tooNew = (): AppError =>
  new AppError("AUDIT_NEWER", "the audit log was written by newer software, and is left alone", {
    hint: "Use a newer petrify.",
  });

/** As its first entry says; 0 where there is none. */
function formatOf(bytes: Uint8Array, sha256: Pick<Sha256, "digest">): number {
  const end = bytes.indexOf(NEWLINE);
  const { entry } = (end > 0 && end < AUDIT_LINE_SIZE && decodeLine(byteText(bytes.subarray(0, end)), sha256)) || {};
  return entry?.is === "open" ? entry.format : 0;
}

interface FileEnd {
  /** After the last byte that says anything, and its line's end. */
  readonly used: Bytes;
  /** After the last whole entry. */
  readonly whole: Bytes;
  readonly last: Line | undefined;
}
const NO_END: FileEnd = { used: 0, whole: 0, last: undefined };

/** Bytes before the ends of lines that fill a file. */
export function usedOf(bytes: Uint8Array): Bytes {
  let used = bytes.length;
  while (used > 0 && bytes[used - 1] === NEWLINE) used--;
  return used;
}

function endOfFile(bytes: Uint8Array, sha256: Pick<Sha256, "digest">): FileEnd {
  let used = usedOf(bytes);
  if (used === 0) return NO_END;
  const isEnded = used < bytes.length;
  if (isEnded) used++;
  for (let end = used; end > 0;) {
    const start = bytes.lastIndexOf(NEWLINE, end - 2) + 1;
    const last = decodeLine(byteText(bytes.subarray(start, end - (bytes[end - 1] === NEWLINE ? 1 : 0))), sha256);
    if (last) return { used, whole: end, last };
    end = start;
  }
  return { used, whole: 0, last: undefined };
}

/** What a log says, and whether it is what was written. */
export interface AuditReport {
  /** Oldest first. */
  readonly entries: readonly AuditEntry[];
  /** The newest one that can be vouched for. */
  readonly head: AuditHead;
  /** Why it is not as it was written, a sentence each. */
  readonly problems: readonly string[];
}

/**
 * Reads all of a log, and compares every byte with what was written.
 *
 * @param known what somebody has kept of an earlier look: it has to be in it
 * @throws AppError `AUDIT_NEWER`
 */
export function readAudit({ files, head: bytes }: AuditBytes, sha256: Pick<Sha256, "digest">, known?: AuditHead): AuditReport {
  const read = files.map((file, index) => (file ? linesOf(file, AUDIT_FILES[index]!, sha256) : undefined));
  const highest = (index: number): number => read[index]?.lines.at(-1)?.entry.n ?? 0;
  const newer = highest(1) > highest(0) ? 1 : 0;
  const [newest, other] = [read[newer], read[1 - newer]];
  const head = bytes && decodeAuditHead(bytes);
  const problems: string[] = [];
  if (!head && (bytes || newest || other))
    problems.push(`${AUDIT_HEAD} is missing or not whole: nobody knows which entry was the last`);
  // The other one is being begun: what is left in it was let go.
  const isTurning = newest?.lines.at(-1)?.entry.is === "close";
  const used = isTurning ? [newest] : [other, newest];
  const lines = used.flatMap((file) => file?.lines ?? []);
  problems.push(...used.flatMap((file) => file?.problems ?? []));

  const [first] = lines;
  if (first && first.entry.n > 1 && !isTurning && !other?.lines.length)
    problems.push(`${AUDIT_FILES[1 - newer]} has no entries, and entry ${first.entry.n} is not the first`);
  for (const [index, { entry }] of lines.entries()) {
    const before = lines[index - 1];
    if (!before) continue;
    if (entry.n !== before.entry.n + 1) problems.push(`entries between ${before.entry.n} and ${entry.n} are missing`);
    else if (entry.before !== before.hash) problems.push(`entry ${entry.n} does not follow entry ${before.entry.n}`);
  }
  if (first?.entry.n === 1 && first.entry.before !== NONE) problems.push("entry 1 follows another one");

  const last = lines.at(-1);
  const expected = [...(head ? [{ ...head, what: "was written" }] : []), ...(known ? [{ ...known, what: "is known" }] : [])];
  for (const { n, hash, what } of expected) {
    if (n === 0) continue;
    const found = lines.find(({ entry }) => entry.n === n);
    if (found ? found.hash !== hash : n >= (first?.entry.n ?? 0))
      problems.push(found ? `entry ${n} is another than ${what}` : `entry ${n} ${what}, and is missing`);
    else if (!found && what === "is known") problems.push(`entry ${n} is no longer kept: nobody can compare it`);
  }
  return {
    entries: lines.map(({ entry }) => entry),
    head: last ? { n: last.entry.n, hash: last.hash } : EMPTY_AUDIT,
    problems,
  };
}

function linesOf(bytes: Uint8Array, name: string, sha256: Pick<Sha256, "digest">): { lines: Line[]; problems: string[] } {
  const used = byteText(bytes.subarray(0, usedOf(bytes)));
  const lines: Line[] = [];
  const problems: string[] = [];
  if (bytes.length !== AUDIT_FILE_SIZE) problems.push(`${name} has ${bytes.length} bytes in place of ${AUDIT_FILE_SIZE}`);
  if (used === "") return { lines, problems };
  const all = used.split("\n");
  let bad: number | undefined;
  for (const [index, line] of [...all, undefined].entries()) {
    const found = line === undefined ? undefined : decodeLine(line, sha256);
    if (!found && line !== undefined) {
      bad ??= index;
      continue;
    }
    if (bad !== undefined) {
      const which = index - bad === 1 ? `line ${index} of ${name} is` : `lines ${bad + 1} to ${index} of ${name} are`;
      const why = index === all.length ? ": a power cut has left a part of an entry, or it was changed" : "";
      problems.push(`${which} not what was written${why}`);
    }
    bad = undefined;
    if (!found) continue;
    if (found.entry.is === "open" && found.entry.format > FORMAT) throw tooNew();
    if (index === 0 && found.entry.is !== "open")
      problems.push(`${name} begins with entry ${found.entry.n}: those before it are missing`);
    lines.push(found);
  }
  return { lines, problems };
}

/** What somebody has kept of an earlier look: `118:abcd…`. */
export function parseAuditHead(text: string): AuditHead | undefined {
  const [, n, hash] = /^([1-9]\d{0,14}):([0-9a-f]{64})$/.exec(text) ?? [];
  return n === undefined ? undefined : { n: Number(n), hash: hash! };
}
export const formatAuditHead = ({ n, hash }: AuditHead): string => `${n}:${hash}`;
