/** @portable The GUID partition table: values in, bytes out, and back. Source: UEFI 2.10, section 5.3; docs/formats/gpt.md. */
import { AppError } from "../core/error.ts";
import { MiB, type Bytes } from "../core/units.ts";
import { crc32 } from "./crc32.ts";
import { guidFromBytes, guidToBytes, type Guid } from "./guid.ts";
import type { Patch } from "./patch.ts";

/** `length` bytes from `offset`; fewer where the disk ends. May throw when the disk cannot be read there. */
export type ReadAt = (offset: Bytes, length: Bytes) => Uint8Array;

export type SectorSize = 512 | 4096;

export interface Partition {
  /** Place in the table, from 1: GRUB's `gptN`, Linux's `/dev/sdaN`. */
  readonly number: number;
  /** At most 36 UTF-16 units. */
  readonly name: string;
  readonly type: Guid;
  readonly guid: Guid;
  readonly start: Bytes;
  readonly size: Bytes;
  /** Numbers of the attribute bits that are set: 2 legacy BIOS bootable, 59 grow file system, 60 read-only, 63 no auto-mount. */
  readonly attributes?: readonly number[];
}
export interface Gpt {
  readonly diskGuid: Guid;
  /** Of the disk that the table describes; a disk that a table was copied to may be larger. */
  readonly size: Bytes;
  readonly partitions: readonly Partition[];
}
export interface DecodedGpt extends Gpt {
  /** What is wrong with the copy that was not used (`backup header: …`); absent when both copies are whole. */
  readonly damage?: string;
}

/** Types of partitions, as the Discoverable Partitions Specification and GRUB name them. */
export const PARTITION_TYPES = {
  biosBoot: "21686148-6449-6e6f-744e-656564454649",
  esp: "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
  linux: "0fc63daf-8483-4772-8e79-3d69d8477de4",
  xbootldr: "bc13c2ff-59e6-4262-a352-b275fd6f7172",
  rootX86: "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
  rootX86Verity: "2c7357ed-ebd2-46d9-aec1-23d437ec2bf5",
} as const;

/** Both ends of a disk that belong to the tables: partitions start and end inside. */
export const GPT_RESERVED: Bytes = 1 * MiB;

const SIGNATURE = [0x45, 0x46, 0x49, 0x20, 0x50, 0x41, 0x52, 0x54] as const; // EFI PART
const REVISION = 0x00010000;
const HEADER_SIZE = 92;
const ENTRY_SIZE = 128;
const ENTRIES = 128;
const TABLE_SIZE = ENTRIES * ENTRY_SIZE;
/**
 * Distance of an entry array from its end of the disk: the two sector sizes' arrays never touch each other's header.
 *
 * A primary array has two places: a table is changed by writing the one that is not in use, and then the header, which is one sector.
 */
const PLACES = {
  512: { primary: [24_576, 40_960], backup: 4096 + 2 * TABLE_SIZE },
  4096: { primary: [8192, 57_344], backup: 4096 + TABLE_SIZE },
} as const;
type Copies = "primary" | "backup";
/** Larger tables than this are not believed. */
const MAX_TABLE: Bytes = 1 * MiB;

/**
 * The bytes that make a disk carry this table, primary and backup, for one sector size or for both at once.
 *
 * For both, the same disk works with 512- and 4096-byte sectors, because the headers of the two lie at different bytes of the first and
 * last 4 KiB. The first 440 bytes of the disk, a BIOS boot loader's, stay as they are.
 *
 * @throws AppError `GPT_INVALID` when the partitions cannot be on that disk
 */
export function encodeGpt(gpt: Gpt, sectorSize: SectorSize | "both"): Patch[] {
  const sizes: readonly SectorSize[] = sectorSize === "both" ? [512, 4096] : [sectorSize];
  const largest = Math.max(...sizes);
  if (gpt.size % largest !== 0) throw invalid(`a disk of ${gpt.size} bytes does not end at a sector of ${largest}`);
  checkPartitions(gpt.partitions, { first: GPT_RESERVED, end: gpt.size - GPT_RESERVED, align: largest });
  const copies = sizes.flatMap((size) => [tableCopy(gpt, size, "primary"), tableCopy(gpt, size, "backup")]);
  const tables = copies.flatMap(({ header, entries }) => [header, entries]);
  return [{ offset: 440, data: protectiveMbr() }, ...tables].toSorted((a, b) => a.offset - b.offset);
}

/**
 * Replaces the tables of a disk, for both sector sizes, so that a power cut at any moment leaves a whole primary: the old or the new one.
 * (Linux looks for a backup only where the primary is whole, unless told otherwise; GRUB checks no checksum.)
 *
 * @param used where the primary's entries are now, by sector size
 * @returns steps; each is to be on the disk before the next begins
 * @throws AppError `GPT_INVALID` when the partitions cannot be on that disk
 */
export function replaceGpt(gpt: Gpt, used: Readonly<Partial<Record<SectorSize, Bytes>>>): readonly (readonly Patch[])[] {
  const backups: Patch[] = [];
  const entries: Patch[] = [];
  const headers: Patch[] = [];
  checkPartitions(gpt.partitions, { first: GPT_RESERVED, end: gpt.size - GPT_RESERVED, align: 4096 });
  for (const sectorSize of [512, 4096] as const) {
    const backup = tableCopy(gpt, sectorSize, "backup");
    const [first, second] = PLACES[sectorSize].primary;
    const primary = tableCopy(gpt, sectorSize, "primary", used[sectorSize] === first ? second : first);
    backups.push(backup.entries, backup.header);
    entries.push(primary.entries);
    headers.push(primary.header);
  }
  return [backups, entries, headers];
}

/**
 * Reads the table of a disk: the primary, or the backup where the primary is damaged.
 *
 * @param size of the disk; the backup is looked for where the primary says, else at the disk's end
 * @throws AppError `GPT_DAMAGED` naming what is wrong with each copy; nothing else, whatever the bytes
 */
export function decodeGpt(read: ReadAt, size: Bytes, sectorSize: SectorSize): DecodedGpt {
  const lastLba = Math.floor(size / sectorSize) - 1;
  const primary = attempt("primary", () => decodeCopy(read, size, sectorSize, 1));
  const backupLba = primary.copy ? primary.copy.otherLba : lastLba;
  const backup = attempt("backup", () => decodeCopy(read, size, sectorSize, backupLba));
  const found = primary.copy ?? backup.copy;
  if (!found) {
    throw new AppError("GPT_DAMAGED", `both partition tables are damaged: ${primary.damage}; ${backup.damage}`);
  }
  const differ =
    primary.copy && backup.copy && primary.copy.tableCrc !== backup.copy.tableCrc
      ? "backup entries: differ from the primary's"
      : undefined;
  const damage = primary.damage ?? backup.damage ?? differ;
  return { ...found.gpt, ...(damage ? { damage } : {}) };
}

/** Where the primary table's entries are; nothing when it is damaged. */
export function primaryEntriesAt(read: ReadAt, size: Bytes, sectorSize: SectorSize): Bytes | undefined {
  return attempt("primary", () => decodeCopy(read, size, sectorSize, 1)).copy?.entriesAt;
}

/** No boot code and no disk signature (bytes 440 on), one entry of type 0xEE. Its length is "the rest" at either sector size. */
function protectiveMbr(): Uint8Array {
  const data = new Uint8Array(512 - 440);
  const view = new DataView(data.buffer);
  const entry = 446 - 440;
  data.set([0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff], entry);
  view.setUint32(entry + 8, 1, true);
  view.setUint32(entry + 12, 0xffffffff, true);
  view.setUint16(510 - 440, 0xaa55, true);
  return data;
}

function tableCopy(
  gpt: Gpt,
  sectorSize: SectorSize,
  copy: Copies,
  primaryAt: Bytes = PLACES[sectorSize].primary[0],
): { readonly header: Patch; readonly entries: Patch } {
  const entries = encodeEntries(gpt.partitions, sectorSize);
  const lastLba = gpt.size / sectorSize - 1;
  const entriesAt = copy === "primary" ? primaryAt : gpt.size - PLACES[sectorSize].backup;
  const ownLba = copy === "primary" ? 1 : lastLba;
  const sector = new Uint8Array(512); // not 4096: the other sector size's header may share the last 4 KiB
  const header = sector.subarray(0, HEADER_SIZE);
  const view = new DataView(sector.buffer);
  const set64 = (at: number, value: number): void => view.setBigUint64(at, BigInt(value), true);
  header.set(SIGNATURE);
  view.setUint32(8, REVISION, true);
  view.setUint32(12, HEADER_SIZE, true);
  set64(24, ownLba);
  set64(32, copy === "primary" ? lastLba : 1);
  set64(40, GPT_RESERVED / sectorSize);
  set64(48, (gpt.size - GPT_RESERVED) / sectorSize - 1);
  header.set(guidToBytes(gpt.diskGuid), 56);
  set64(72, entriesAt / sectorSize);
  view.setUint32(80, ENTRIES, true);
  view.setUint32(84, ENTRY_SIZE, true);
  view.setUint32(88, crc32(entries), true);
  view.setUint32(16, crc32(header), true);
  return { header: { offset: ownLba * sectorSize, data: sector }, entries: { offset: entriesAt, data: entries } };
}

function encodeEntries(partitions: readonly Partition[], sectorSize: SectorSize): Uint8Array {
  const table = new Uint8Array(TABLE_SIZE);
  const view = new DataView(table.buffer);
  for (const { number, name, type, guid, start, size, attributes = [] } of partitions) {
    const at = (number - 1) * ENTRY_SIZE;
    table.set(guidToBytes(type), at);
    table.set(guidToBytes(guid), at + 16);
    view.setBigUint64(at + 32, BigInt(start / sectorSize), true);
    view.setBigUint64(at + 40, BigInt((start + size) / sectorSize - 1), true);
    view.setBigUint64(
      at + 48,
      attributes.reduce((bits, bit) => bits | (1n << BigInt(bit)), 0n),
      true,
    );
    for (let i = 0; i < name.length; i++) view.setUint16(at + 56 + 2 * i, name.charCodeAt(i), true);
  }
  return table;
}

interface Copy {
  readonly gpt: Gpt;
  readonly otherLba: number;
  readonly tableCrc: number;
  readonly entriesAt: Bytes;
}

function attempt(which: Copies, decode: () => Copy): { readonly copy?: Copy; readonly damage?: string } {
  try {
    return { copy: decode() };
  } catch (error) {
    // A disk that cannot be read there is damage like any other: the other copy may be readable.
    return { damage: `${which} ${error instanceof Error ? error.message : String(error)}` };
  }
}

function decodeCopy(read: ReadAt, diskSize: Bytes, sectorSize: SectorSize, lba: number): Copy {
  const sector = readWhole(read, diskSize, lba * sectorSize, sectorSize, "header");
  const view = new DataView(sector.buffer, sector.byteOffset, sector.byteLength);
  if (SIGNATURE.some((byte, i) => sector[i] !== byte)) throw invalid("header: no signature");
  const headerSize = view.getUint32(12, true);
  if (headerSize < HEADER_SIZE || headerSize > sectorSize) throw invalid(`header: says that it is ${headerSize} bytes long`);
  const header = new Uint8Array(sector.subarray(0, headerSize)); // a copy: what was read may be the reader's own
  header.fill(0, 16, 20);
  if (crc32(header) !== view.getUint32(16, true)) throw invalid("header: wrong checksum");
  if (view.getUint32(8, true) !== REVISION) throw invalid("header: unknown revision");
  if (get64(view, 24) !== lba) throw invalid("header: belongs elsewhere on the disk");
  const otherLba = get64(view, 32);
  const [first, last] = [get64(view, 40) * sectorSize, get64(view, 48) * sectorSize];
  const [count, entrySize] = [view.getUint32(80, true), view.getUint32(84, true)];
  if (entrySize < ENTRY_SIZE || entrySize % ENTRY_SIZE !== 0 || count * entrySize > MAX_TABLE) {
    throw invalid(`header: ${count} entries of ${entrySize} bytes`);
  }
  const entriesAt = get64(view, 72) * sectorSize;
  const table = readWhole(read, diskSize, entriesAt, count * entrySize, "entries");
  const tableCrc = crc32(table);
  if (tableCrc !== view.getUint32(88, true)) throw invalid("entries: wrong checksum");
  const partitions: Partition[] = [];
  const entries = new DataView(table.buffer, table.byteOffset, table.byteLength);
  for (let index = 0; index < count; index++) {
    const at = index * entrySize;
    if (table.subarray(at, at + 16).every((byte) => byte === 0)) continue;
    const start = get64(entries, at + 32) * sectorSize;
    const end = (get64(entries, at + 40) + 1) * sectorSize;
    const bits = entries.getBigUint64(at + 48, true);
    const attributes = Array.from({ length: 64 }, (_, bit) => bit).filter((bit) => (bits >> BigInt(bit)) & 1n);
    partitions.push({
      number: index + 1,
      name: decodeName(entries, at + 56),
      type: guidFromBytes(table, at),
      guid: guidFromBytes(table, at + 16),
      start,
      size: end - start,
      ...(attributes.length > 0 ? { attributes } : {}),
    });
  }
  checkPartitions(partitions, { first, end: Math.min(last + sectorSize, diskSize), align: sectorSize });
  const gptSize = (Math.max(lba, otherLba) + 1) * sectorSize;
  return { gpt: { diskGuid: guidFromBytes(sector, 56), size: gptSize, partitions }, otherLba, tableCrc, entriesAt };
}

function readWhole(read: ReadAt, diskSize: Bytes, offset: Bytes, length: Bytes, part: string): Uint8Array {
  if (offset < 0 || offset + length > diskSize) throw invalid(`${part}: outside the disk`);
  const data = read(offset, length);
  if (data.length !== length) throw invalid(`${part}: could not be read whole`);
  return data;
}

function decodeName(view: DataView, at: number): string {
  let name = "";
  for (let i = 0; i < 36; i++) {
    const unit = view.getUint16(at + 2 * i, true);
    if (unit === 0) break;
    name += String.fromCharCode(unit);
  }
  return name;
}

function checkPartitions(partitions: readonly Partition[], area: { first: Bytes; end: Bytes; align: Bytes }): void {
  const guids = new Set<Guid>();
  const numbers = new Set<number>();
  let free = area.first;
  for (const { number, name, guid, start, size } of partitions.toSorted((a, b) => a.start - b.start)) {
    const what = `entries: partition ${number} (${name})`;
    if (!Number.isSafeInteger(start + size) || size <= 0) throw invalid(`${what} ends before it starts`);
    if (start < area.first || start + size > area.end) throw invalid(`${what} lies outside the usable part of the disk`);
    if (start < free) throw invalid(`${what} overlaps the one before it`);
    if (start % area.align !== 0 || size % area.align !== 0) throw invalid(`${what} does not start and end at a sector`);
    if (name.length > 36) throw invalid(`${what} has a name longer than 36 characters`);
    if (guids.has(guid) || numbers.has(number)) throw invalid(`${what} has another partition's GUID or number`);
    guids.add(guid);
    numbers.add(number);
    free = start + size;
  }
}

/** Exact up to 2⁵³; anything beyond lies outside every disk. */
const get64 = (view: DataView, at: number): number => Number(view.getBigUint64(at, true));

const invalid = (message: string): AppError => new AppError("GPT_INVALID", message);
