import { open, type FileHandle } from "node:fs/promises";
import { AppError } from "../core/error.ts";
import type { Bytes } from "../core/units.ts";
import { TRIES_FILE } from "../layout/disk.ts";
import { ENV_BLOCK_SIZE } from "../layout/env-block.ts";
import { findInFat } from "../layout/fat.ts";
import { KERNEL_ARGS, newestKernelArgs, nextKernelArgsWrite, type FoundKernelArgs } from "../layout/kernel-args.ts";
import type { RecordChange, RecordFacts } from "../layout/record-change.ts";
import { encodeSeed, SEED_OFFSET } from "../layout/random-seed.ts";
import { newestRecord, nextRecordWrite, RECORD_BLOCK_SIZE, RECORD_COPY_OFFSETS, type FoundRecord } from "../layout/record.ts";
import { CLOCK_OFFSET, encodeStoredClock } from "../layout/stored-clock.ts";
import { decodeTries, encodeTries } from "../layout/tries.ts";
import { openImage } from "./image-file.ts";

/** Both halves of the boot record, and what else lies in the record partition. Only one process may write. */
export interface BootRecordStore {
  /** @throws AppError `TRIES_MISPLACED`; NodeJS.ErrnoException */
  read(): Promise<RecordFacts>;
  /**
   * Reads, decides, writes what is to be changed and returns what is stored then.
   *
   * The record comes first: with the tries alone, a slot on trial would have more than its three. Kernel arguments come last: those on trial need tries.
   * They are not changed where nothing says that the disk's loader knows of them.
   */
  change(decide: (facts: RecordFacts) => RecordChange): Promise<RecordFacts>;
  /** @param seconds since 1970 */
  keepClock(seconds: number): Promise<void>;
  /** For the next boot. @param seed `SEED_BYTES` bytes of randomness */
  keepSeed(seed: Uint8Array): Promise<void>;
  /** Bytes of the record partition. */
  readRaw(offset: Bytes, length: Bytes): Promise<Uint8Array>;
  /** Durable when it returns. @param block whole blocks of 4096 bytes, for a place that is nothing else's */
  writeRaw(offset: Bytes, block: Uint8Array): Promise<void>;
}

/**
 * Blocks are written whole and flushed, one after the other, at the places that they always have: nothing is mounted.
 *
 * @param devices of the record and the efi partition, e.g. `/dev/vda3`
 */
export function bootRecordOn(devices: { readonly record: string; readonly efi: string }): BootRecordStore {
  const readAll = async (record: FileHandle, efi: FileHandle): Promise<Found> => {
    const copies = await Promise.all(RECORD_COPY_OFFSETS.map(async (offset) => await tryRead(record, offset)));
    const found = newestRecord(copies as [Uint8Array | undefined, Uint8Array | undefined]);
    const args = newestKernelArgs(await Promise.all(KERNEL_ARGS.offsets.map(async (offset) => await tryRead(record, offset))));
    const place = triesPlace(devices.efi);
    const block = await tryRead(efi, place);
    return {
      found,
      args,
      place,
      block,
      facts: {
        ...{ found: found.newest, tries: block && decodeTries(block.subarray(0, ENV_BLOCK_SIZE)) },
        ...(args.stored ? { args: args.stored } : {}),
      },
    };
  };
  return {
    read: async () => {
      await using record = await open(devices.record, "r");
      await using efi = await open(devices.efi, "r");
      return (await readAll(record, efi)).facts;
    },
    change: async (decide) => {
      await using record = await open(devices.record, "r+");
      await using efi = await open(devices.efi, "r+");
      const { found, args, facts, place, block } = await readAll(record, efi);
      const change = decide(facts);
      if (change.record) {
        const { offset, data } = nextRecordWrite(found, change.record);
        await writeBlock(record, offset, data);
      }
      if (change.tries) {
        const next = block?.slice() ?? new Uint8Array(RECORD_BLOCK_SIZE);
        next.set(encodeTries(change.tries));
        await writeBlock(efi, place, next);
      }
      if (change.args && args.stored) {
        const { offset, data } = nextKernelArgsWrite(args, change.args);
        await writeBlock(record, offset, data);
      }
      return (await readAll(record, efi)).facts;
    },
    keepClock: async (seconds) => {
      await using record = await open(devices.record, "r+");
      await writeBlock(record, CLOCK_OFFSET, encodeStoredClock(seconds));
    },
    keepSeed: async (seed) => {
      await using record = await open(devices.record, "r+");
      await writeBlock(record, SEED_OFFSET, encodeSeed(seed));
    },
    readRaw: async (offset, length) => {
      await using record = await open(devices.record, "r");
      return await readAt(record, offset, length);
    },
    writeRaw: async (offset, block) => {
      await using record = await open(devices.record, "r+");
      await writeBlock(record, offset, block);
    },
  };
}

interface Found {
  readonly found: FoundRecord;
  readonly args: FoundKernelArgs;
  readonly facts: RecordFacts;
  /** Of the block with the tries. */
  readonly place: Bytes;
  readonly block: Uint8Array | undefined;
}

/** Where the file with the tries lies in the efi partition: a whole block of its own, which is overwritten without mounting anything. */
function triesPlace(device: string): Bytes {
  using volume = openImage(device);
  const { size, extents } = findInFat(volume.read, TRIES_FILE);
  const [extent, more] = extents;
  if (!extent || more || extent.start % RECORD_BLOCK_SIZE !== 0 || size > RECORD_BLOCK_SIZE) {
    throw new AppError("TRIES_MISPLACED", `${TRIES_FILE} does not lie in one block of 4096 bytes`);
  }
  return extent.start;
}

/** `undefined` where the disk cannot read it. */
async function tryRead(file: FileHandle, offset: Bytes): Promise<Uint8Array | undefined> {
  return await readAt(file, offset, RECORD_BLOCK_SIZE).catch(() => undefined);
}

async function readAt(file: FileHandle, offset: Bytes, length: Bytes): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  const { bytesRead } = await file.read(bytes, 0, length, offset);
  return bytes.subarray(0, bytesRead);
}

async function writeBlock(file: FileHandle, offset: Bytes, data: Uint8Array): Promise<void> {
  const { bytesWritten } = await file.write(data, 0, data.length, offset);
  if (bytesWritten !== data.length) throw new Error(`only ${bytesWritten} of ${data.length} bytes were written at ${offset}`);
  await file.sync();
}
