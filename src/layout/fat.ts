/** @portable Where a file of a FAT volume lies: read-only, for checking it or overwriting it in place. Source: Microsoft FAT specification, 2005. */
import { AppError } from "../core/error.ts";
import type { Bytes } from "../core/units.ts";
import type { ReadAt } from "./gpt.ts";

export interface FatFileExtents {
  readonly size: Bytes;
  /** In the order of the file; offsets from the start of the volume; together {@link size} bytes. */
  readonly extents: readonly { readonly start: Bytes; readonly size: Bytes }[];
}

/** The geometry of a volume, from its boot sector. */
interface Volume {
  readonly read: ReadAt;
  readonly bits: 12 | 16 | 32;
  readonly cluster: Bytes;
  readonly fat: Bytes;
  readonly data: Bytes;
  readonly clusters: number;
  /** FAT32 keeps its root folder in clusters, the others before the first one. */
  readonly root: number | { readonly start: Bytes; readonly size: Bytes };
}
interface Entry {
  readonly folder: boolean;
  readonly first: number;
  readonly size: Bytes;
}

const ENTRY = 32;
const LONG_NAME = 0x0f;
const VOLUME_LABEL = 0x08;
const FOLDER = 0x10;
/** Attribute bits that no valid entry has. */
const RESERVED = 0xc0;
/** Of the number of a piece of a long name. */
const LAST_PIECE = 0x40;
const DELETED = 0xe5;
/** A folder larger than this is not believed. */
const MAX_FOLDER: Bytes = 2 * 1024 ** 2;

/**
 * Finds a file by its names, long or 8.3, in any case: `/petrify/tries.env`.
 *
 * @param read from the volume's own start
 * @throws AppError `FAT_INVALID` when this is not a sound FAT12, FAT16 or FAT32; `FAT_FILE_MISSING`
 */
export function findInFat(read: ReadAt, path: string): FatFileExtents {
  const volume = openVolume(read);
  const names = path.split("/").filter((name) => name !== "");
  let entry: Entry = { folder: true, first: typeof volume.root === "number" ? volume.root : 0, size: 0 };
  for (const name of names) {
    const found = entry.folder ? lookUp(readFolder(volume, entry.first), name) : undefined;
    if (!found) throw new AppError("FAT_FILE_MISSING", `there is no ${path} on this FAT volume`);
    entry = found;
  }
  if (entry.folder) throw new AppError("FAT_FILE_MISSING", `there is a folder in place of ${path} on this FAT volume`);
  return { size: entry.size, extents: extentsOf(volume, entry) };
}

/**
 * A volume's name: the one in its root folder, which every system changes, else the one of its boot sector.
 *
 * @returns without blanks around it; empty when it has none
 * @throws AppError `FAT_INVALID`
 */
export function fatLabel(read: ReadAt): string {
  const volume = openVolume(read);
  for (const bytes of readFolder(volume, typeof volume.root === "number" ? volume.root : 0)) {
    for (let at = 0; at + ENTRY <= bytes.length && bytes[at] !== 0; at += ENTRY) {
      const attributes = bytes[at + 11]!;
      if (bytes[at] === DELETED || (attributes & 0x3f) === LONG_NAME || (attributes & VOLUME_LABEL) === 0) continue;
      return String.fromCharCode(...bytes.subarray(at, at + 11)).trim();
    }
  }
  const label = readWhole(read, volume.bits === 32 ? 71 : 43, 11);
  return String.fromCharCode(...label)
    .replace(/^NO NAME/, "")
    .trim();
}

function openVolume(read: ReadAt): Volume {
  const sector = view(read, 0, 512);
  const sectorSize = sector.getUint16(11, true);
  const perCluster = sector.getUint8(13);
  const reserved = sector.getUint16(14, true);
  const copies = sector.getUint8(16);
  const rootEntries = sector.getUint16(17, true);
  const sectors = sector.getUint16(19, true) || sector.getUint32(32, true);
  const short = sector.getUint16(22, true);
  const fatSectors = short || sector.getUint32(36, true);
  if (sector.getUint16(510, true) !== 0xaa55) throw invalid("its boot sector has no signature");
  if (![512, 1024, 2048, 4096].includes(sectorSize)) throw invalid(`it says that sectors have ${sectorSize} bytes`);
  if (perCluster === 0 || (perCluster & (perCluster - 1)) !== 0)
    throw invalid(`it says that clusters have ${perCluster} sectors`);
  if (reserved === 0 || copies === 0 || fatSectors === 0) throw invalid("it has no allocation table");
  const rootStart = reserved + copies * fatSectors;
  const rootSectors = Math.ceil((rootEntries * ENTRY) / sectorSize);
  const clusters = Math.floor((sectors - rootStart - rootSectors) / perCluster);
  if (clusters < 1) throw invalid("it has no clusters");
  const bits = clusters < 4085 ? 12 : clusters < 65_525 ? 16 : 32;
  if (fatSectors * sectorSize * 8 < (clusters + 2) * bits) throw invalid("its allocation table is too short");
  const volume: Volume = {
    ...{ read, bits, clusters, cluster: perCluster * sectorSize, fat: reserved * sectorSize },
    data: (rootStart + rootSectors) * sectorSize,
    root: bits === 32 ? sector.getUint32(44, true) : { start: rootStart * sectorSize, size: rootEntries * ENTRY },
  };
  // GRUB refuses a volume where they differ, apart from bit 3.
  const firstEntry = (ALL_ONES[bits] & ~0xff) | sector.getUint8(21);
  if ((following(volume, 0) | 8) !== (firstEntry | 8)) throw invalid("its allocation table does not begin with its media type");
  return volume;
}

function readFolder(volume: Volume, first: number): Uint8Array[] {
  const fixed = first === 0 && typeof volume.root === "object" ? [volume.root] : undefined;
  return (fixed ?? chain(volume, first, MAX_FOLDER)).map(({ start, size }) => readWhole(volume.read, start, size));
}

function lookUp(folder: readonly Uint8Array[], name: string): Entry | undefined {
  const wanted = shortName(name);
  let long: LongName | undefined;
  for (const bytes of folder) {
    const entries = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 0; at + ENTRY <= bytes.length; at += ENTRY) {
      if (bytes[at] === 0) return undefined;
      const attributes = bytes[at + 11]!;
      const entry = bytes.subarray(at, at + ENTRY);
      if (bytes[at] !== DELETED && attributes === LONG_NAME) {
        long = nextOfLongName(entry, long);
        continue;
      }
      const longName = long?.left === 0 && long.checksum === shortNameChecksum(entry) ? long.text : undefined;
      long = undefined;
      if (bytes[at] === DELETED || attributes & (VOLUME_LABEL | RESERVED)) continue;
      if (longName?.toUpperCase() !== name.toUpperCase() && String.fromCharCode(...entry.subarray(0, 11)) !== wanted) continue;
      return {
        folder: (attributes & FOLDER) !== 0,
        first: (entries.getUint16(at + 20, true) << 16) | entries.getUint16(at + 26, true),
        size: entries.getUint32(at + 28, true),
      };
    }
  }
  return undefined;
}

/** A long name stands before its 8.3 entry, in pieces of 13 characters, the last one first. */
interface LongName {
  readonly text: string;
  /** Pieces that are still to come. */
  readonly left: number;
  /** Of the 8.3 name that it belongs to. */
  readonly checksum: number;
}

function nextOfLongName(entry: Uint8Array, before: LongName | undefined): LongName | undefined {
  const number = entry[0]!;
  const checksum = entry[13]!;
  const isLast = (number & LAST_PIECE) !== 0;
  const left = isLast ? number & ~LAST_PIECE : number;
  if (left === 0 || (!isLast && (before?.left !== left || before.checksum !== checksum))) return undefined;
  let text = "";
  for (const at of [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30]) {
    const unit = entry[at]! | (entry[at + 1]! << 8);
    if (unit === 0) break;
    text += String.fromCharCode(unit);
  }
  return { text: text + (isLast ? "" : before!.text), left: left - 1, checksum };
}

/** Source: the specification's ChkSum. */
const shortNameChecksum = (entry: Uint8Array): number =>
  entry.subarray(0, 11).reduce((sum, byte) => ((sum >> 1) + ((sum & 1) << 7) + byte) & 0xff, 0);

/** `tries.env` as a folder stores it: `TRIES   ENV`. */
function shortName(name: string): string {
  const [base = "", extension = ""] = name.toUpperCase().split(".");
  return base.padEnd(8) + extension.padEnd(3);
}

function extentsOf(volume: Volume, { first, size }: Entry): { start: Bytes; size: Bytes }[] {
  const extents: { start: Bytes; size: Bytes }[] = [];
  if (size > volume.clusters * volume.cluster) throw invalid("a file is larger than the volume");
  let left = size;
  for (const run of size === 0 ? [] : chain(volume, first, size)) {
    const part = Math.min(run.size, left);
    const last = extents.at(-1);
    if (last && last.start + last.size === run.start) last.size += part;
    else extents.push({ start: run.start, size: part });
    left -= part;
  }
  if (left > 0) throw invalid("a file's chain of clusters is too short");
  return extents;
}

/** The clusters from `first` on, at most as many as `limit` bytes need: a loop of clusters ends there. */
function chain(volume: Volume, first: number, limit: Bytes): { start: Bytes; size: Bytes }[] {
  const { cluster, clusters, data } = volume;
  const found: { start: Bytes; size: Bytes }[] = [];
  for (let number = first; found.length * cluster < limit; number = following(volume, number)) {
    if (number >= endOfChain(volume)) break;
    if (number < 2 || number >= clusters + 2) throw invalid(`a chain of clusters leads to ${number}`);
    found.push({ start: data + (number - 2) * cluster, size: cluster });
  }
  return found;
}

const ALL_ONES = { 12: 0xfff, 16: 0xffff, 32: 0x0fffffff } as const;
const endOfChain = ({ bits }: Volume): number => ALL_ONES[bits] & ~7;

function following({ read, bits, fat }: Volume, number: number): number {
  if (bits === 32) return view(read, fat + number * 4, 4).getUint32(0, true) & 0x0fffffff;
  if (bits === 16) return view(read, fat + number * 2, 2).getUint16(0, true);
  const pair = view(read, fat + Math.floor(number * 1.5), 2).getUint16(0, true);
  return number % 2 === 0 ? pair & 0xfff : pair >> 4;
}

function view(read: ReadAt, offset: Bytes, length: Bytes): DataView {
  const bytes = readWhole(read, offset, length);
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function readWhole(read: ReadAt, offset: Bytes, length: Bytes): Uint8Array {
  const bytes = read(offset, length);
  if (bytes.length !== length) throw invalid("it ends too early");
  return bytes;
}

const invalid = (why: string): AppError => new AppError("FAT_INVALID", `this is not a sound FAT volume: ${why}`);
