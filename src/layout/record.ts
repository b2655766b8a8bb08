/**
 * @portable The `slots` half of the boot record: raw blocks of the record partition, written by Linux only.
 * Format: docs/formats/boot-record.md.
 */
import type { Bytes } from "../core/units.ts";
import { KiB } from "../core/units.ts";
import {
  COPIES,
  COPY_SIZE,
  decodeCopy,
  encodeCopy,
  firstCopies,
  newestCopy,
  nextCopyWrite,
  type CopiesKind,
  type Copy,
  type DecodedCopy,
  type Fields,
} from "./env-copies.ts";
import { ENV_BLOCK_SIZE } from "./env-block.ts";
import type { Patch } from "./patch.ts";
import { SLOTS, type RecoveryFile, type SlotName, type SlotState } from "./slots.ts";

export const RECORD_BLOCK_SIZE: Bytes = COPY_SIZE;
/** Where the copies start in the record partition: far apart, and not at its start, where other tools write their signatures. */
export const RECORD_COPY_OFFSETS = [64 * KiB, 576 * KiB] as const;
/** Where a boot that fails leaves the end of its log, in the record partition. */
export const LAST_WORDS_OFFSET: Bytes = 832 * KiB;
export const LAST_WORDS_SIZE: Bytes = 64 * KiB;

/** Variables end within the first sector, as those of the tries. */
export const RECORD: CopiesKind = {
  name: "boot record",
  format: 1,
  offsets: RECORD_COPY_OFFSETS,
  room: { size: ENV_BLOCK_SIZE, end: 512 },
  fields: {
    active: "^(a|b)$",
    state_a: "^(trial|proven|bad|empty)$",
    digest_a: "^([0-9a-f]*)$",
    state_b: "^(trial|proven|bad|empty)$",
    digest_b: "^([0-9a-f]*)$",
    recovery: "^(1|2)$",
  },
};

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

export type RecordCopy = Copy;
export const RECORD_COPIES = COPIES;
/** What one block says. */
export type DecodedRecord =
  | { readonly is: "whole"; readonly sequence: number; readonly record: BootRecord }
  | Exclude<DecodedCopy, { readonly is: "whole" }>;
/** What both say together, and where the next one goes. */
export interface FoundRecord {
  readonly newest: DecodedRecord;
  /** The copy that `newest` is in; absent when neither is readable. */
  readonly copy?: RecordCopy;
}

/**
 * @param sequence 1 for a new disk, then what {@link nextRecordWrite} counts
 * @returns {@link RECORD_BLOCK_SIZE} bytes for the place of `copy`
 */
export const encodeRecord = (record: BootRecord, sequence: number, copy: RecordCopy): Uint8Array =>
  encodeCopy(RECORD, fieldsOf(record), sequence, copy);

/** One copy. Never throws: whatever is not certainly a record is `unreadable`. */
export const decodeRecord = (block: Uint8Array, copy: RecordCopy): DecodedRecord => withRecord(decodeCopy(RECORD, block, copy));

/** The newest copy that is not damaged; of two with one number the first. A block that could not be read is `undefined`. */
export function newestRecord(blocks: readonly [Uint8Array | undefined, Uint8Array | undefined]): FoundRecord {
  const { newest, copy } = newestCopy(RECORD, blocks);
  return { newest: withRecord(newest), ...(copy === undefined ? {} : { copy }) };
}

/**
 * The write that makes `record` the newest: over the older or damaged copy, so that a torn write leaves the present one.
 *
 * @returns the patch, its offset counted from the start of the record partition
 * @throws Error when the newest copy is of a newer format, which must not be overwritten
 */
export const nextRecordWrite = ({ newest, copy }: FoundRecord, record: BootRecord): Patch => {
  const known: DecodedCopy<BootRecord> = newest.is === "whole" ? { ...newest, value: newest.record } : newest;
  return nextCopyWrite(RECORD, { newest: known, ...(copy === undefined ? {} : { copy }) }, fieldsOf(record));
};

/** What a new disk gets: both copies, so that neither is ever unreadable without damage. Offsets count from the start of the partition. */
export const firstRecord = (record: BootRecord): readonly Patch[] => firstCopies(RECORD, fieldsOf(record));

const fieldsOf = ({ active, slots: { a, b }, recovery }: BootRecord): Fields => ({
  active,
  state_a: a.state,
  digest_a: a.digest ?? "",
  state_b: b.state,
  digest_b: b.digest ?? "",
  recovery: String(recovery),
});

function withRecord(found: DecodedCopy): DecodedRecord {
  if (found.is !== "whole") return found;
  const fields = found.value;
  const slot = (name: SlotName): SlotRecord => {
    const digest = fields[`digest_${name}`]!;
    return { state: fields[`state_${name}`] as SlotState, ...(digest ? { digest } : {}) };
  };
  return {
    is: "whole",
    sequence: found.sequence,
    record: {
      active: fields["active"] as SlotName,
      slots: { a: slot(SLOTS[0]), b: slot(SLOTS[1]) },
      recovery: fields["recovery"] === "1" ? 1 : 2,
    },
  };
}
