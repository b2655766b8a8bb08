/** @portable What a boot that went well writes into the boot record. Rules: docs/concepts/boot.md */
import { AppError } from "../core/error.ts";
import type { Bytes } from "../core/units.ts";
import { targetName } from "../layout/cmdline.ts";
import { TRIES_FILE } from "../layout/disk.ts";
import { ENV_BLOCK_SIZE } from "../layout/env-block.ts";
import { findInFat } from "../layout/fat.ts";
import {
  newestRecord,
  nextRecordWrite,
  RECORD_BLOCK_SIZE,
  RECORD_COPY_OFFSETS,
  type BootRecord,
  type FoundRecord,
} from "../layout/record.ts";
import { parseRunFacts, RUN_FACTS_PATH } from "../layout/run-facts.ts";
import { FULL_TRIES, otherSlot, type BootTarget, type SlotName } from "../layout/slots.ts";
import { decodeTries, encodeTries, type Tries } from "../layout/tries.ts";
import type { Sys } from "./sys.ts";

/** What is to be written; what is absent stays as it is. */
export interface Blessing {
  readonly record?: BootRecord;
  readonly tries?: Tries;
}

/**
 * A slot on trial that ran well is proven, and the running slot has all its tries again. What is to be booted next is not touched.
 *
 * A record that is unreadable is made anew: the running slot is what is known to be good, and the other one may be tried.
 *
 * @param tries `undefined` when unreadable
 */
export function blessing(running: BootTarget, found: FoundRecord["newest"], tries: Tries | undefined): Blessing {
  if (running === "recovery" || found.is === "newer") return {}; // recovery proves nothing; newer state is left alone
  const other = otherSlot(running);
  const record = found.is === "whole" ? proven(found.record, running) : freshRecord(running);
  const { state } = record.slots[running];
  const rest = tries ?? { a: 0, b: 0, [other]: FULL_TRIES[record.slots[other].state] };
  const restored: Tries = { ...rest, [running]: FULL_TRIES[state] };
  return {
    ...(found.is === "whole" && found.record === record ? {} : { record }),
    ...(tries && tries[running] === restored[running] ? {} : { tries: restored }),
  };
}

/** The same record when there is nothing to change. */
function proven(record: BootRecord, running: SlotName): BootRecord {
  const slot = record.slots[running];
  if (slot.state !== "trial") return record;
  return { ...record, slots: { ...record.slots, [running]: { ...slot, state: "proven" } } };
}

const freshRecord = (running: SlotName): BootRecord => ({
  active: running,
  slots: { a: { state: "trial" }, b: { state: "trial" }, [running]: { state: "proven" } },
  recovery: 1,
});

/**
 * Writes the blessing of this boot. The record comes first: with the tries alone, a slot on trial would have more than its three.
 *
 * @returns a sentence about what was done
 * @throws AppError `TRIES_MISPLACED`; SysError
 */
export function bless(sys: Sys): string {
  const facts = parseRunFacts(sys.readText(RUN_FACTS_PATH));
  const { record: recordPart, efi: efiPart } = facts.partitions;
  if (facts.slot === "ram" || !recordPart || !efiPart) return `${facts.disk ?? "this boot"} has no boot record`;
  const record = sys.open(recordPart.device, "direct");
  const efi = sys.open(efiPart.device, "direct");
  const found = newestRecord([readCopy(sys, record, 0), readCopy(sys, record, 1)]);
  const place = triesPlace(sys, efi);
  const block = sys.readAt(efi, place, RECORD_BLOCK_SIZE);
  const todo = blessing(facts.slot, found.newest, decodeTries(block.subarray(0, ENV_BLOCK_SIZE)));
  if (todo.record) {
    const { offset, data } = nextRecordWrite(found, todo.record);
    sys.writeAt(record, offset, data);
    sys.syncFile(record);
  }
  if (todo.tries) {
    const next = block.slice();
    next.set(encodeTries(todo.tries));
    sys.writeAt(efi, place, next);
    sys.syncFile(efi);
  }
  sys.close(record);
  sys.close(efi);
  const done = [...(todo.record ? ["is proven"] : []), ...(todo.tries ? ["has all its tries again"] : [])];
  return `${targetName(facts.slot)} ${done.join(" and ") || "needs nothing"}`;
}

/** `undefined` where the disk cannot read it. */
function readCopy(sys: Sys, file: number, copy: 0 | 1): Uint8Array | undefined {
  try {
    return sys.readAt(file, RECORD_COPY_OFFSETS[copy], RECORD_BLOCK_SIZE);
  } catch {
    return undefined;
  }
}

/** Where the file with the tries lies in the efi partition: a whole block of its own, which is overwritten without mounting anything. */
function triesPlace(sys: Sys, efi: number): Bytes {
  const { size, extents } = findInFat((offset, length) => readAligned(sys, efi, offset, length), TRIES_FILE);
  const [extent, more] = extents;
  if (!extent || more || extent.start % RECORD_BLOCK_SIZE !== 0 || size > RECORD_BLOCK_SIZE) {
    throw new AppError("TRIES_MISPLACED", `${TRIES_FILE} does not lie in one block of 4096 bytes`);
  }
  return extent.start;
}

/** Direct I/O wants whole blocks. */
function readAligned(sys: Sys, file: number, offset: Bytes, length: Bytes): Uint8Array {
  const start = Math.floor(offset / RECORD_BLOCK_SIZE) * RECORD_BLOCK_SIZE;
  const end = Math.ceil((offset + length) / RECORD_BLOCK_SIZE) * RECORD_BLOCK_SIZE;
  return sys.readAt(file, start, end - start).subarray(offset - start, offset - start + length);
}
