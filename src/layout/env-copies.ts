/**
 * @portable What GRUB and Linux read, and only Linux writes: GRUB environment blocks in two copies of the record partition, used in turn, each with a
 * sequence number and a checksum. Format: docs/formats/boot-record.md
 */
import type { Bytes } from "../core/units.ts";
import { KiB } from "../core/units.ts";
import { crc32 } from "./crc32.ts";
import { decodeEnvBlock, encodeEnvBlock, latin1Bytes, latin1Text, type EnvBlockRoom } from "./env-block.ts";
import type { Patch } from "./patch.ts";

/** A copy fills one block, which disks write as a whole or not at all. */
export const COPY_SIZE: Bytes = 4 * KiB;
/** GRUB counts blocks in these on every disk, whatever its sectors are. */
const GRUB_SECTOR: Bytes = 512;
/** GRUB compares 32-bit numbers on BIOS. */
const SEQUENCE = "^[1-9][0-9]{0,8}$";
const MAX_SEQUENCE = 999_999_999;

export type Copy = 0 | 1;
export const COPIES: readonly Copy[] = [0, 1];

/** Something that is kept in this way. */
export interface CopiesKind {
  /** For people: `boot record`. */
  readonly name: string;
  readonly format: number;
  /** Where the copies start in the record partition. */
  readonly offsets: readonly [Bytes, Bytes];
  /** Of the environment block, which the checksum stands behind. */
  readonly room: EnvBlockRoom;
  /** Every variable of this format, and what it may hold: POSIX extended regular expressions, so GRUB checks the same. */
  readonly fields: Readonly<Record<string, string>>;
}
export type Fields = Readonly<Record<string, string>>;

/** The variables around those of a kind. */
export const COPY_ENVELOPE: Fields = { format: SEQUENCE, first: SEQUENCE, last: SEQUENCE };

/** What one copy says. */
export type DecodedCopy<Value = Fields> =
  | { readonly is: "whole"; readonly sequence: number; readonly value: Value }
  /** Undamaged, written by newer software: its state is to be left alone. */
  | { readonly is: "newer"; readonly sequence: number; readonly format: number }
  | { readonly is: "unreadable"; readonly why: string };

/**
 * @param sequence 1 for a new disk, then one more with each write
 * @returns {@link COPY_SIZE} bytes for the place of `copy`
 */
export function encodeCopy(kind: CopiesKind, fields: Fields, sequence: number, copy: Copy): Uint8Array {
  const { name, format, room } = kind;
  if (!(Number.isInteger(sequence) && sequence >= 1 && sequence <= MAX_SEQUENCE))
    throw new Error(`${name}: sequence ${sequence}`);
  const envelope = { format: String(format), first: String(sequence) };
  const variables = encodeEnvBlock({ ...envelope, ...fields, last: String(sequence) }, room);
  const block = new Uint8Array(COPY_SIZE);
  block.set(variables);
  block.set(latin1Bytes(checkList(kind, variables, copy)), room.size);
  return block;
}

/** Never throws: whatever is not certainly a copy is `unreadable`. */
export function decodeCopy(kind: CopiesKind, block: Uint8Array, copy: Copy): DecodedCopy {
  const unreadable = (why: string): DecodedCopy => ({ is: "unreadable", why });
  if (block.length !== COPY_SIZE) return unreadable(`${block.length} bytes instead of ${COPY_SIZE}`);
  const { size } = kind.room;
  const bytes = block.subarray(0, size);
  const found = decodeEnvBlock(bytes);
  if (!found) return unreadable("not a GRUB environment block");
  const list = latin1Text(block.subarray(size, size + GRUB_SECTOR));
  if (list.toLowerCase() !== checkList(kind, bytes, copy)) return unreadable("the checksum does not match");
  const { first, last, format } = matching(found, COPY_ENVELOPE) ?? {};
  if (!first || first !== last) return unreadable("first and last sequence number differ");
  const sequence = Number(first);
  if (Number(format) !== kind.format) return { is: "newer", sequence, format: Number(format) };
  const value = matching(found, kind.fields);
  return value ? { is: "whole", sequence, value } : unreadable("a field is missing or has an unknown value");
}

/** What both say together, and where the next one goes. */
export interface FoundCopy<Value = Fields> {
  readonly newest: DecodedCopy<Value>;
  /** The copy that `newest` is in; absent when neither is readable. */
  readonly copy?: Copy;
}

/** The newest copy that is not damaged; of two with one number the first. A block that could not be read is `undefined`. */
export function newestCopy(kind: CopiesKind, blocks: readonly (Uint8Array | undefined)[]): FoundCopy {
  const read = (copy: Copy): DecodedCopy => {
    const block = blocks[copy];
    return block ? decodeCopy(kind, block, copy) : { is: "unreadable", why: "it could not be read" };
  };
  const [one, two] = [read(0), read(1)];
  if (two.is !== "unreadable" && (one.is === "unreadable" || two.sequence > one.sequence)) return { newest: two, copy: 1 };
  return one.is === "unreadable" ? { newest: one } : { newest: one, copy: 0 };
}

/**
 * The write that makes `fields` the newest: over the older or damaged copy, so that a torn write leaves the present one.
 *
 * @returns the patch, its offset counted from the start of the record partition
 * @throws Error when the newest copy is of a newer format, which must not be overwritten
 */
export function nextCopyWrite(kind: CopiesKind, { newest, copy: present }: FoundCopy<unknown>, fields: Fields): Patch {
  if (newest.is === "newer") throw new Error(`${kind.name}: format ${newest.format} is newer than ${kind.format}`);
  const copy: Copy = present === 0 ? 1 : 0;
  const sequence = newest.is === "whole" ? newest.sequence + 1 : 1;
  return { offset: kind.offsets[copy], data: encodeCopy(kind, fields, sequence, copy) };
}

/** What a new disk gets: both copies, so that neither is ever unreadable without damage. Offsets count from the start of the partition. */
export const firstCopies = (kind: CopiesKind, fields: Fields): readonly Patch[] =>
  COPIES.map((copy) => ({ offset: kind.offsets[copy], data: encodeCopy(kind, fields, 1 + copy, copy) }));

/** GRUB's block list of a copy's variables, and of the hash list behind them. */
export const blockList = ({ offsets, room }: CopiesKind, copy: Copy): string =>
  `${offsets[copy] / GRUB_SECTOR}+${room.size / GRUB_SECTOR}`;
export const checkBlockList = ({ offsets, room }: CopiesKind, copy: Copy): string =>
  `${(offsets[copy] + room.size) / GRUB_SECTOR}+1`;

/** The sector that GRUB's `hashsum --hash crc32 --check` takes: one line, filled up in front, where white space does not count. */
const checkList = (kind: CopiesKind, variables: Uint8Array, copy: Copy): string =>
  `${crc32(variables).toString(16).padStart(8, "0")}  ${blockList(kind, copy)}\n`.padStart(GRUB_SECTOR);

/** The variables that `patterns` names when each is there and matches, else `undefined`. */
export function matching(found: ReadonlyMap<string, string>, patterns: Fields): Fields | undefined {
  const values: Record<string, string> = {};
  for (const [name, pattern] of Object.entries(patterns)) {
    const value = found.get(name);
    if (value === undefined || !new RegExp(pattern).test(value)) return undefined;
    values[name] = value;
  }
  return values;
}
