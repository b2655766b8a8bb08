/**
 * @portable The `slots` half of the boot record: raw blocks of the record partition, written by Linux only.
 * Format: docs/formats/boot-record.md.
 */
import type { Bytes } from "../core/units.ts";
import { KiB } from "../core/units.ts";
import { crc32 } from "./crc32.ts";
import { decodeEnvBlock, encodeEnvBlock, ENV_BLOCK_SIZE, latin1Bytes, latin1Text } from "./env-block.ts";
import type { Patch } from "./patch.ts";
import { SLOTS, type RecoveryFile, type SlotName, type SlotState } from "./slots.ts";

export const RECORD_FORMAT = 1;
/** A copy fills one block, which disks write as a whole or not at all. */
export const RECORD_BLOCK_SIZE: Bytes = 4 * KiB;
/** Where the copies start in the record partition: far apart, and not at its start, where other tools write their signatures. */
export const RECORD_COPY_OFFSETS = [64 * KiB, 576 * KiB] as const;
/** Where a boot that fails leaves the end of its log, in the record partition. */
export const LAST_WORDS_OFFSET: Bytes = 832 * KiB;
export const LAST_WORDS_SIZE: Bytes = 64 * KiB;

/** GRUB counts blocks in these on every disk, whatever its sectors are. */
const GRUB_SECTOR: Bytes = 512;
/** GRUB compares 32-bit numbers on BIOS. */
const SEQUENCE = "^[1-9][0-9]{0,8}$";
const MAX_SEQUENCE = 999_999_999;

/** What decides which image boots, apart from tries and `next` (tries.ts). */
export interface BootRecord {
  /** The slot to be booted; the other one is passive. */
  readonly active: SlotName;
  readonly slots: Readonly<Record<SlotName, SlotRecord>>;
  /** The file of the recovery partition that is current. */
  readonly recovery: RecoveryFile;
}
export interface SlotRecord {
  readonly state: SlotState;
  /** SHA-256 of the image's manifest, 64 lower-case hex digits; absent while the slot is empty. */
  readonly digest?: string;
}

export type RecordCopy = 0 | 1;
export const RECORD_COPIES: readonly RecordCopy[] = [0, 1];
/** What one block says. */
export type DecodedRecord =
  | { readonly is: "whole"; readonly sequence: number; readonly record: BootRecord }
  /** Undamaged, written by newer software: its state is to be left alone. */
  | { readonly is: "newer"; readonly sequence: number; readonly format: number }
  | { readonly is: "unreadable"; readonly why: string };
/** What both say together, and where the next one goes. */
export interface FoundRecord {
  readonly newest: DecodedRecord;
  /** The copy that `newest` is in; absent when neither is readable. */
  readonly copy?: RecordCopy;
}

/** Every variable of a block, and what it may hold: POSIX extended regular expressions, so GRUB checks the same. */
export const RECORD_ENVELOPE: Readonly<Record<string, string>> = { format: SEQUENCE, first: SEQUENCE, last: SEQUENCE };
/** The same for the variables of this format. */
export const RECORD_FIELDS: Readonly<Record<string, string>> = {
  active: "^(a|b)$",
  state_a: "^(trial|proven|bad|empty)$",
  digest_a: "^([0-9a-f]*)$",
  state_b: "^(trial|proven|bad|empty)$",
  digest_b: "^([0-9a-f]*)$",
  recovery: "^(1|2)$",
};

/**
 * @param sequence 1 for a new disk, then what {@link nextRecordWrite} counts
 * @returns {@link RECORD_BLOCK_SIZE} bytes for the place of `copy`
 */
export function encodeRecord(record: BootRecord, sequence: number, copy: RecordCopy): Uint8Array {
  if (!(Number.isInteger(sequence) && sequence >= 1 && sequence <= MAX_SEQUENCE))
    throw new Error(`boot record: sequence ${sequence}`);
  const { a, b } = record.slots;
  const variables = encodeEnvBlock({
    format: String(RECORD_FORMAT),
    first: String(sequence),
    active: record.active,
    state_a: a.state,
    digest_a: a.digest ?? "",
    state_b: b.state,
    digest_b: b.digest ?? "",
    recovery: String(record.recovery),
    last: String(sequence),
  });
  const block = new Uint8Array(RECORD_BLOCK_SIZE);
  block.set(variables);
  block.set(latin1Bytes(checkList(variables, copy)), ENV_BLOCK_SIZE);
  return block;
}

/** One copy. Never throws: whatever is not certainly a record is `unreadable`. */
export function decodeRecord(block: Uint8Array, copy: RecordCopy): DecodedRecord {
  const unreadable = (why: string): DecodedRecord => ({ is: "unreadable", why });
  if (block.length !== RECORD_BLOCK_SIZE) return unreadable(`${block.length} bytes instead of ${RECORD_BLOCK_SIZE}`);
  const bytes = block.subarray(0, ENV_BLOCK_SIZE);
  const found = decodeEnvBlock(bytes);
  if (!found) return unreadable("not a GRUB environment block");
  const list = latin1Text(block.subarray(ENV_BLOCK_SIZE, ENV_BLOCK_SIZE + GRUB_SECTOR));
  if (list.toLowerCase() !== checkList(bytes, copy)) return unreadable("the checksum does not match");
  const { first, last, format } = matching(found, RECORD_ENVELOPE) ?? {};
  if (!first || first !== last) return unreadable("first and last sequence number differ");
  const sequence = Number(first);
  if (Number(format) !== RECORD_FORMAT) return { is: "newer", sequence, format: Number(format) };
  const fields = matching(found, RECORD_FIELDS);
  if (!fields) return unreadable("a field is missing or has an unknown value");
  const slot = (name: SlotName): SlotRecord => {
    const digest = fields[`digest_${name}`]!;
    return { state: fields[`state_${name}`] as SlotState, ...(digest ? { digest } : {}) };
  };
  return {
    is: "whole",
    sequence,
    record: {
      active: fields["active"] as SlotName,
      slots: { a: slot(SLOTS[0]), b: slot(SLOTS[1]) },
      recovery: fields["recovery"] === "1" ? 1 : 2,
    },
  };
}

/** The newest copy that is not damaged; of two with one number the first. A block that could not be read is `undefined`. */
export function newestRecord(blocks: readonly [Uint8Array | undefined, Uint8Array | undefined]): FoundRecord {
  const read = (copy: RecordCopy): DecodedRecord => {
    const block = blocks[copy];
    return block ? decodeRecord(block, copy) : { is: "unreadable", why: "it could not be read" };
  };
  const [one, two] = [read(0), read(1)];
  if (two.is !== "unreadable" && (one.is === "unreadable" || two.sequence > one.sequence)) return { newest: two, copy: 1 };
  return one.is === "unreadable" ? { newest: one } : { newest: one, copy: 0 };
}

/**
 * The write that makes `record` the newest: over the older or damaged copy, so that a torn write leaves the present one.
 *
 * @returns the patch, its offset counted from the start of the record partition
 * @throws Error when the newest copy is of a newer format, which must not be overwritten
 */
export function nextRecordWrite(found: FoundRecord, record: BootRecord): Patch {
  if (found.newest.is === "newer") throw new Error(`boot record: format ${found.newest.format} is newer than ${RECORD_FORMAT}`);
  const copy: RecordCopy = found.copy === 0 ? 1 : 0;
  const sequence = found.newest.is === "whole" ? found.newest.sequence + 1 : 1;
  return { offset: RECORD_COPY_OFFSETS[copy], data: encodeRecord(record, sequence, copy) };
}

/** What a new disk gets: both copies, so that neither is ever unreadable without damage. Offsets count from the start of the partition. */
export const firstRecord = (record: BootRecord): readonly Patch[] =>
  RECORD_COPIES.map((copy) => ({ offset: RECORD_COPY_OFFSETS[copy], data: encodeRecord(record, 1 + copy, copy) }));

/** GRUB's block list of a copy's variables, and of the hash list behind them. */
export const recordBlockList = (copy: RecordCopy): string =>
  `${RECORD_COPY_OFFSETS[copy] / GRUB_SECTOR}+${ENV_BLOCK_SIZE / GRUB_SECTOR}`;
export const recordCheckBlockList = (copy: RecordCopy): string =>
  `${(RECORD_COPY_OFFSETS[copy] + ENV_BLOCK_SIZE) / GRUB_SECTOR}+1`;

/** The sector that GRUB's `hashsum --hash crc32 --check` takes: one line, filled up in front, where white space does not count. */
const checkList = (variables: Uint8Array, copy: RecordCopy): string =>
  `${crc32(variables).toString(16).padStart(8, "0")}  ${recordBlockList(copy)}\n`.padStart(GRUB_SECTOR);

/** The variables that `patterns` names when each is there and matches, else `undefined`. */
export function matching(
  found: ReadonlyMap<string, string>,
  patterns: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> | undefined {
  const values: Record<string, string> = {};
  for (const [name, pattern] of Object.entries(patterns)) {
    const value = found.get(name);
    if (value === undefined || !new RegExp(pattern).test(value)) return undefined;
    values[name] = value;
  }
  return values;
}
