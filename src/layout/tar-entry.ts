/** @portable What an entry of a tar says, and how petrify writes one. Source: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended Header" */
import { alignUp, type Bytes } from "../core/units.ts";
import { bytesOfText, type ByteText } from "./byte-text.ts";

export const TAR_BLOCK: Bytes = 512;

export type TarType = "file" | "hardLink" | "symlink" | "character" | "block" | "folder" | "fifo";
const TAR_TYPES: readonly TarType[] = ["file", "hardLink", "symlink", "character", "block", "folder", "fifo"];

export interface TarEntry {
  readonly type: TarType;
  /** As the archive has it, but for slashes at the end of a folder's. */
  readonly name: ByteText;
  /** What a link leads to; empty for everything else. */
  readonly target: ByteText;
  /** Permission bits with set-uid, set-gid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Of the content; 0 for everything but files. */
  readonly size: Bytes;
  /** Seconds since 1970, rounded down; negative before. */
  readonly mtime: number;
  readonly device: readonly [major: number, minor: number];
  /** Extended attributes: name and the bytes of the value, ACLs among them as the kernel has them. */
  readonly attributes: readonly Attribute[];
}
export type Attribute = readonly [name: ByteText, value: Uint8Array];

/** How the name of an extended attribute is spelled in a record: GNU tar 1.29 and newer, xheader.c, `xattr_encode_keyword`. */
export const SCHILY_XATTR = "SCHILY.xattr.";

const MAX_OCTAL_ID = 0o7777777;
const MAX_OCTAL_SIZE = 0o77777777777;

/** The two blocks of zeros that end an archive. */
export const TAR_END: Uint8Array = new Uint8Array(2 * TAR_BLOCK);

/** Zeros between the content of an entry and the next header. */
export const tarPadding = (size: Bytes): Uint8Array => new Uint8Array(alignUp(size, TAR_BLOCK) - size);

/**
 * The header of an entry, in one form only: what does not fit a ustar header, and every extended attribute, goes into one extended header.
 *
 * Two readers cannot come to two opinions of it, as they can of what is found in the wild. Fractions of seconds are dropped, times before 1970 are 1970.
 */
export function encodeTarHeader(entry: TarEntry): Uint8Array {
  const { type, name, target, uid, gid, size, mode, mtime, device, attributes } = entry;
  const records: Uint8Array[] = [];
  const record = (key: ByteText, value: Uint8Array): void => void records.push(encodeRecord(key, value));
  const text = (key: ByteText, value: ByteText): void => record(key, bytesOfText(value));
  if (name.length > 100) text("path", name);
  if (target.length > 100) text("linkpath", target);
  if (uid > MAX_OCTAL_ID) text("uid", String(uid));
  if (gid > MAX_OCTAL_ID) text("gid", String(gid));
  if (size > MAX_OCTAL_SIZE) text("size", String(size));
  for (const [attribute, value] of attributes) {
    record(SCHILY_XATTR + attribute.replaceAll("%", "%25").replaceAll("=", "%3D"), value);
  }
  const header = block({
    type: String(TAR_TYPES.indexOf(type)),
    name: name.slice(0, 100),
    target: target.slice(0, 100),
    ...{ mode, uid: fitting(uid, MAX_OCTAL_ID), gid: fitting(gid, MAX_OCTAL_ID), size: fitting(size, MAX_OCTAL_SIZE) },
    ...{ mtime: Math.min(Math.max(0, Math.floor(mtime)), MAX_OCTAL_SIZE), device },
  });
  if (records.length === 0) return header;
  const extended = joined(records);
  const plain = { mode: 0o644, uid: 0, gid: 0, mtime: 0, device: [0, 0], target: "" } as const;
  const before = block({ ...plain, type: "x", name: "PaxHeaders/entry", size: extended.length });
  return joined([before, extended, tarPadding(extended.length), header]);
}

const fitting = (value: number, max: number): number => (value > max ? 0 : value);

interface Fields {
  readonly type: string;
  readonly name: ByteText;
  readonly target: ByteText;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: Bytes;
  readonly mtime: number;
  readonly device: readonly [number, number];
}

function block({ type, name, target, mode, uid, gid, size, mtime, device }: Fields): Uint8Array {
  const bytes = new Uint8Array(TAR_BLOCK);
  const put = (at: number, text: ByteText): void => bytes.set(bytesOfText(text), at);
  const octal = (at: number, length: number, value: number): void => put(at, value.toString(8).padStart(length - 1, "0"));
  put(0, name);
  octal(100, 8, mode);
  octal(108, 8, uid);
  octal(116, 8, gid);
  octal(124, 12, size);
  octal(136, 12, mtime);
  put(148, "        ");
  put(156, type);
  put(157, target);
  put(257, "ustar\x0000");
  octal(329, 8, device[0]);
  octal(337, 8, device[1]);
  let sum = 0;
  for (let i = 0; i < TAR_BLOCK; i++) sum += bytes[i]!;
  put(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  return bytes;
}

/** `LENGTH KEY=VALUE\n`, where the length counts itself. */
function encodeRecord(key: ByteText, value: Uint8Array): Uint8Array {
  const rest = key.length + value.length + 3;
  let length = rest + String(rest).length;
  if (rest + String(length).length !== length) length = rest + String(length).length;
  return joined([bytesOfText(`${length} ${key}=`), value, bytesOfText("\n")]);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
