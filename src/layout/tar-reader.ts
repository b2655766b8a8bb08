/**
 * @portable Reads archives of strangers as their bytes come: ustar, pax, GNU's long names and numbers, and what was there before.
 *
 * What can be read in two ways is refused: another program might then see another tree than the one that was judged here.
 * docs/concepts/bases.md has the list.
 */
import { AppError } from "../core/error.ts";
import { KiB, type Bytes } from "../core/units.ts";
import { byteText, shownText, type ByteText } from "./byte-text.ts";
import { attributesOf, parsePaxRecords, type PaxRecords } from "./pax-records.ts";
import { TAR_BLOCK, type TarEntry, type TarType } from "./tar-entry.ts";
import { decodeTarHeader, type TarHeader } from "./tar-header.ts";

/** Receives what is read, in the order of the archive: an entry, its content piece by piece, its end. */
export interface TarSink {
  /** @param offset where its content begins, from the start of the archive */
  readonly entry: (entry: TarEntry, offset: Bytes) => void;
  /** A part of what was pushed, not a copy. */
  readonly data?: (bytes: Uint8Array) => void;
  readonly end?: () => void;
}
export interface TarReader {
  /** @throws AppError `ARCHIVE_REFUSED`, and whatever the sink throws; nothing can be read after that */
  push(bytes: Uint8Array): void;
  /**
   * Passes over content that nobody reads, as much as is left of this entry's and at most so much.
   *
   * @returns how many bytes need not be pushed: 0 where something else comes next
   */
  skip(most: Bytes): Bytes;
  /** After the last byte. @throws AppError `ARCHIVE_REFUSED` for an archive that was cut */
  finish(): void;
}
export interface TarReaderOptions {
  /** How the archive is called in errors. */
  readonly origin: string;
  /** Whether it may end without its end mark: for those that are known by their digest to be whole. */
  readonly endMark?: "needed" | "optional";
}

/** One extended header; the kernel allows 64 KiB for all attributes of a file on most file systems, and a name has 4096 bytes. */
const LARGEST_EXTENDED: Bytes = 1024 * KiB;
const LONGEST_NAME = 4096;
/** Each of them is looked at for every entry. */
const MOST_GLOBALS = 100;
/** 4294967295 means "no id" to the kernel. */
const LARGEST_ID = 2 ** 32 - 2;

export const refused = (origin: string, name: ByteText | undefined, reason: string, hint?: string): AppError =>
  new AppError(
    "ARCHIVE_REFUSED",
    `${origin}: ${name === undefined ? reason : `${shownText(name) || "an entry without a name"}: ${reason}`}`,
    {
      hint: hint ?? "The archive is damaged, or was not made from a root file system. Make it again, or take another base.",
    },
  );

const TYPES: Readonly<Record<string, TarType>> = {
  ...{ "\0": "file", "0": "file", "1": "hardLink", "2": "symlink", "3": "character", "4": "block", "5": "folder", "6": "fifo" },
  "7": "file",
};
const WHAT: Readonly<Record<string, string>> = {
  S: "is a sparse file of GNU tar",
  ...{ V: "is the label of a volume", M: "goes on from another volume", D: "is a list for incremental backups" },
  ...{ N: "is an old long name of GNU tar", X: "is an extended header of Solaris", A: "is an ACL of Solaris" },
};

/** What stands before an entry and belongs to it. */
interface Before {
  records?: PaxRecords;
  longName?: ByteText;
  longTarget?: ByteText;
}

export function tarReader({ origin, endMark = "needed" }: TarReaderOptions, sink: TarSink): TarReader {
  const block = new Uint8Array(TAR_BLOCK);
  let filled = 0;
  /** Bytes before the block that is read now. */
  let offset = 0;
  let state: "header" | "extended" | "data" | "end" = "header";
  let left = 0;
  let padding = 0;
  let before: Before = {};
  let globals: PaxRecords = new Map();
  let extended = { flag: "", bytes: new Uint8Array(0), filled: 0 };
  let current: ByteText | undefined;

  const header = (bytes: Uint8Array): void => {
    if (bytes[0] === 0 && bytes.every((byte) => byte === 0)) {
      if (Object.keys(before).length > 0) throw refused(origin, current, "the archive ends after an extended header");
      state = "end";
      return;
    }
    const found = decodeTarHeader(bytes);
    if (typeof found === "string") {
      throw refused(origin, undefined, `${current === undefined ? "the first entry" : `after ${shownText(current)}`}: ${found}`);
    }
    if ("xgLK".includes(found.flag)) return beginExtended(found);
    const entry = entryOf(found, before, globals, origin);
    before = {};
    current = entry.name;
    sink.entry(entry, offset + TAR_BLOCK);
    left = entry.size;
    padding = -left & (TAR_BLOCK - 1);
    if (left === 0) sink.end?.();
    else state = "data";
  };
  const beginExtended = ({ flag, size, name }: TarHeader): void => {
    if (size > LARGEST_EXTENDED) throw refused(origin, name, `its extended header is larger than 1 MiB`);
    const twice = { x: before.records, L: before.longName, K: before.longTarget, g: undefined }[flag];
    if (twice !== undefined) throw refused(origin, name, "has two extended headers of one kind");
    extended = { flag, bytes: new Uint8Array(size), filled: 0 };
    left = size;
    padding = -left & (TAR_BLOCK - 1);
    state = "extended";
    current = name;
    if (left === 0) endExtended();
  };
  const endExtended = (): void => {
    const { flag, bytes } = extended;
    state = "header";
    if (flag === "L") before.longName = longName(bytes);
    else if (flag === "K") before.longTarget = longName(bytes);
    else {
      const records = parsePaxRecords(bytes);
      if (typeof records === "string") throw refused(origin, current, records);
      if (flag === "x") before.records = records;
      else {
        globals = new Map([...globals, ...records]);
        if (globals.size > MOST_GLOBALS) throw refused(origin, current, `more than ${MOST_GLOBALS} records are for all entries`);
      }
    }
    extended = { flag: "", bytes: new Uint8Array(0), filled: 0 };
  };
  const longName = (bytes: Uint8Array): ByteText => {
    const text = byteText(bytes);
    const end = text.indexOf("\0");
    if (end === -1) return text;
    if (/[^\0]/.test(text.slice(end))) throw refused(origin, current, "its long name has a zero byte");
    return text.slice(0, end);
  };

  return {
    push: (chunk) => {
      let at = 0;
      while (at < chunk.length) {
        if (state === "data" || state === "extended") {
          if (left > 0) {
            const piece = chunk.subarray(at, at + left);
            if (state === "data") sink.data?.(piece);
            else {
              extended.bytes.set(piece, extended.filled);
              extended.filled += piece.length;
            }
            left -= piece.length;
            at += piece.length;
            offset += piece.length;
            if (left > 0) return;
            if (state === "data") {
              state = "header";
              sink.end?.();
            } else endExtended();
          }
          continue;
        }
        if (padding > 0) {
          const skipped = Math.min(padding, chunk.length - at);
          padding -= skipped;
          at += skipped;
          offset += skipped;
          continue;
        }
        if (state === "end") {
          const rest = at === 0 ? chunk : chunk.subarray(at);
          if (rest.some((byte) => byte !== 0)) {
            throw refused(
              origin,
              undefined,
              "has data after its end mark",
              "If it is several archives in one file, unpack them and pack them as one.",
            );
          }
          return;
        }
        const taken = Math.min(TAR_BLOCK - filled, chunk.length - at);
        if (filled === 0 && taken === TAR_BLOCK) header(chunk.subarray(at, at + TAR_BLOCK));
        else {
          block.set(chunk.subarray(at, at + taken), filled);
          filled += taken;
          if (filled === TAR_BLOCK) {
            filled = 0;
            header(block);
            offset += TAR_BLOCK;
          }
          at += taken;
          continue;
        }
        at += taken;
        offset += taken;
      }
    },
    skip: (most) => {
      if (state !== "data") return 0;
      const skipped = Math.min(left, most);
      left -= skipped;
      offset += skipped;
      if (left === 0) {
        state = "header";
        sink.end?.();
      }
      return skipped;
    },
    finish: () => {
      const cut = filled > 0 || left > 0 || padding > 0 || Object.keys(before).length > 0;
      if (cut) throw refused(origin, current, "the archive ends in the middle of this entry");
      if (state === "header" && endMark === "needed") {
        throw refused(
          origin,
          undefined,
          `ends without an end mark${current === undefined ? "" : ` after ${shownText(current)}`}: it was cut`,
        );
      }
    },
  };
}

/** Records with an empty value take back a global one; without one they mean nothing. */
const given = (value: Uint8Array | undefined): Uint8Array | undefined => (value?.length ? value : undefined);

function entryOf(header: TarHeader, { records, longName, longTarget }: Before, globals: PaxRecords, origin: string): TarEntry {
  const { flag } = header;
  const merged: PaxRecords = globals.size === 0 ? (records ?? NONE) : new Map([...globals, ...(records ?? [])]);
  const text = (key: string, long: ByteText | undefined, short: ByteText): ByteText => {
    const value = given(merged.get(key));
    if (value === undefined) return long ?? short;
    const named = byteText(value);
    if (long !== undefined && long !== named)
      throw refused(origin, named, `is also called ${shownText(long)}: which of them counts is not told`);
    return named;
  };
  const written = text("path", longName, header.name);
  const fail = (reason: string, hint?: string): AppError => refused(origin, written, reason, hint);
  const target = text("linkpath", longTarget, header.target);

  const sparse = [...merged.keys()].some((key) => key.startsWith("GNU.sparse.") || key === "SCHILY.realsize");
  if (flag === "S" || sparse)
    throw fail("is packed as a sparse file", "Pack it again without `tar --sparse`; layers of images never have them.");
  const kind = TYPES[flag];
  if (kind === undefined)
    throw fail(`${WHAT[flag] ?? `has the unknown type ${JSON.stringify(flag)}`}, which is no part of a root file system`);
  // Before there was a type for folders, a slash at the end of the name told.
  const type = kind === "file" && written.endsWith("/") ? "folder" : kind;

  const whole = (key: string, otherwise: number): number => {
    const value = given(merged.get(key));
    if (value === undefined) return otherwise;
    const digits = byteText(value);
    const number = Number(digits);
    if (!/^\d{1,16}$/.test(digits) || !Number.isSafeInteger(number)) throw fail(`its ${key} is not a number`);
    return number;
  };
  const size = whole("size", header.size);
  const [uid, gid] = [whole("uid", header.uid), whole("gid", header.gid)];
  for (const id of [uid, gid]) if (id > LARGEST_ID) throw fail(`its owner ${id} is no id of Linux`);
  // A hard link may repeat the size of its file (and has no content all the same): GNU tar and Go read it so.
  if (type !== "file" && type !== "hardLink" && size !== 0) throw fail(`is a ${type} with content`);
  const attributes = attributesOf(merged);
  if (typeof attributes === "string") throw fail(attributes);

  const name = type === "folder" && written.endsWith("/") ? written.slice(0, -1) || "/" : written;
  for (const [what, value] of [
    ["name", name],
    ["target", target],
  ] as const) {
    if (value.includes("\0")) throw fail(`its ${what} has a zero byte`);
    if (value.length > LONGEST_NAME) throw fail(`its ${what} is longer than ${LONGEST_NAME} bytes`);
  }
  const isLink = type === "symlink" || type === "hardLink";
  if (isLink && target === "") throw fail("is a link to nothing");
  return {
    ...{ type, name, target: isLink ? target : "", mode: header.mode, uid, gid, size: type === "file" ? size : 0 },
    ...{ mtime: mtimeOf(merged, header), device: header.device, attributes },
  };
}

const NONE: PaxRecords = new Map();

/** A time that cannot be read is that of the header: nothing depends on it but the date of the image. */
function mtimeOf(records: PaxRecords, { mtime }: TarHeader): number {
  const value = given(records.get("mtime"));
  const seconds = value === undefined || value.length > 40 ? Number.NaN : Math.floor(Number(byteText(value) || "x"));
  return Number.isSafeInteger(seconds) ? seconds : mtime;
}
