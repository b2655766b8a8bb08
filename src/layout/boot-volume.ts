/**
 * @portable Every byte that the FAT of a system image's boot partition has besides its files: the same parts always give the same, so that none of them
 * can change unseen. Source: Microsoft FAT specification, 2005; mkfs.fat(8) and mcopy of mtools, which write it. docs/formats/system-image.md
 */
import { AppError } from "../core/error.ts";
import { MiB, type Bytes } from "../core/units.ts";
import type { Patch } from "./patch.ts";
import { BOOT_FILES } from "./system-image.ts";

export interface BootVolume {
  /** Of the partition, and of the image that holds it: mkfs.fat writes a geometry that depends on the latter. */
  readonly size: Bytes;
  readonly imageSize: Bytes;
  /** 8 hexadecimal digits. */
  readonly volumeId: string;
  /** Seconds since 1970, of every file. */
  readonly time: number;
  /** Of the files, by their names in {@link BOOT_FILES}. */
  readonly sizes: Readonly<Record<string, Bytes>>;
}
export interface BootVolumeBytes {
  /** Offsets from the start of the partition. */
  readonly tables: readonly Patch[];
  /** Where each file lies, one after the other; whatever neither they nor the tables cover is zero. */
  readonly files: readonly { readonly name: string; readonly start: Bytes; readonly size: Bytes }[];
}

const SECTOR = 512;
const ROOT_ENTRIES = 512;
const ENTRY = 32;
const LABEL = "BOOT       ";
/** In the order in which they are written; with 8.3 names and how these are shown: bit 3 base, bit 4 extension in lower case. */
const FILES: readonly { readonly name: string; readonly short: string; readonly shown: number; readonly long?: true }[] = [
  { name: BOOT_FILES.kernel, short: "VMLINUZ    ", shown: 0x08 },
  { name: BOOT_FILES.initrd, short: "INITRD     ", shown: 0x08 },
  { name: BOOT_FILES.config, short: "IMAGE   CFG", shown: 0x18 },
  { name: BOOT_FILES.sums, short: "SHA256~1   ", shown: 0, long: true },
  { name: BOOT_FILES.manifest, short: "MANIFE~1JSO", shown: 0, long: true },
];
/** What runs when a BIOS starts the partition by mistake. Source: mkfs.fat.c of dosfstools, dummy_boot_code. */
const BOOT_CODE = [
  ...[0x0e, 0x1f, 0xbe, 0x5b, 0x7c, 0xac, 0x22, 0xc0, 0x74, 0x0b, 0x56, 0xb4, 0x0e, 0xbb, 0x07, 0x00, 0xcd, 0x10],
  ...[0x5e, 0xeb, 0xf0, 0x32, 0xe4, 0xcd, 0x16, 0xcd, 0x19, 0xeb, 0xfe],
  ...charCodes("This is not a bootable disk.  Please insert a bootable floppy and\r\npress any key to try again ... \r\n"),
];

/**
 * @param sector the volume's first one, as it is stored: how clusters are laid out is taken from there, and all else follows
 * @throws AppError `FAT_INVALID` when these files do not fit that layout
 */
export function bootVolume(volume: BootVolume, sector: Uint8Array): BootVolumeBytes {
  const { size, sizes, time } = volume;
  const stored = new DataView(sector.buffer, sector.byteOffset, SECTOR);
  const layout = { perCluster: sector[13]!, reserved: stored.getUint16(14, true), fat: stored.getUint16(22, true) };
  const { perCluster, reserved, fat } = layout;
  const cluster = perCluster * SECTOR;
  const folderAt = (reserved + 2 * fat) * SECTOR;
  const dataAt = folderAt + ROOT_ENTRIES * ENTRY;
  if (cluster === 0 || reserved === 0 || fat === 0) throw invalid("it has no clusters");
  let next = 2;
  const files = FILES.map((file) => {
    const bytes = sizes[file.name] ?? 0;
    const [first, count] = [next, Math.ceil(bytes / cluster)];
    next += count;
    return { ...file, size: bytes, first, count, start: dataAt + (first - 2) * cluster };
  });
  if (dataAt + (next - 2) * cluster > size) throw invalid("its files reach beyond its end");
  const bits = size < 16 * MiB ? 12 : 16; // as makeFat chooses: src/build/fat-volume.ts
  if (next * bits > fat * SECTOR * 8) throw invalid("its allocation table is too short");
  const table = allocation(files, bits, fat * SECTOR);
  const stamp = fatTime(time);
  const folder = new Uint8Array(ROOT_ENTRIES * ENTRY);
  const entries = [
    entryOf({ short: LABEL, attributes: 0x08, shown: 0, first: 0, size: 0 }, stamp),
    ...files.flatMap(({ name, short, shown, long, first, size: bytes }) => [
      ...(long ? [longName(name, short)] : []),
      entryOf({ short, attributes: 0x20, shown, first, size: bytes }, stamp),
    ]),
  ];
  entries.forEach((entry, i) => folder.set(entry, i * ENTRY));
  return {
    tables: [
      { offset: 0, data: bootSector(volume, layout, bits) },
      { offset: reserved * SECTOR, data: table },
      { offset: (reserved + fat) * SECTOR, data: table },
      { offset: folderAt, data: folder },
    ],
    files: files.map(({ name, start, size: bytes }) => ({ name, start, size: bytes })),
  };
}

function bootSector(
  { size, imageSize, volumeId }: BootVolume,
  { perCluster, reserved, fat }: { readonly perCluster: number; readonly reserved: number; readonly fat: number },
  bits: 12 | 16,
): Uint8Array {
  const bytes = new Uint8Array(SECTOR);
  const view = new DataView(bytes.buffer);
  const { heads, perTrack } = geometryOf(imageSize);
  const sectors = Math.floor(size / SECTOR / perTrack) * perTrack;
  bytes.set([0xeb, 0x3c, 0x90, ...charCodes("mkfs.fat")]);
  view.setUint16(11, SECTOR, true);
  bytes[13] = perCluster;
  view.setUint16(14, reserved, true);
  bytes[16] = 2;
  view.setUint16(17, ROOT_ENTRIES, true);
  if (sectors < 0x10000) view.setUint16(19, sectors, true);
  else view.setUint32(32, sectors, true);
  bytes[21] = 0xf8;
  view.setUint16(22, fat, true);
  view.setUint16(24, perTrack, true);
  view.setUint16(26, heads, true);
  bytes[36] = 0x80;
  bytes[38] = 0x29;
  view.setUint32(39, Number.parseInt(volumeId, 16), true);
  bytes.set(charCodes(`${LABEL}FAT${bits}   `), 43);
  bytes.set(BOOT_CODE, 62);
  view.setUint16(510, 0xaa55, true);
  return bytes;
}

/** Source: mkfs.fat.c of dosfstools, which has it from the SD card association; it takes the size of the file that it writes into. */
function geometryOf(imageSize: Bytes): { readonly heads: number; readonly perTrack: number } {
  const [, heads, perTrack] = GEOMETRY.find(([limit]) => imageSize <= limit * MiB) ?? [0, 255, 63];
  return { heads, perTrack };
}
const GEOMETRY: readonly (readonly [MiB: number, heads: number, perTrack: number])[] = [
  ...([
    [2, 2, 16],
    [16, 2, 32],
    [32, 4, 32],
    [128, 8, 32],
    [256, 16, 32],
  ] as const),
  ...([
    [504, 16, 63],
    [1008, 32, 63],
    [2016, 64, 63],
    [4032, 128, 63],
  ] as const),
];

function allocation(
  files: readonly { readonly first: number; readonly count: number }[],
  bits: 12 | 16,
  size: Bytes,
): Uint8Array {
  const end = bits === 12 ? 0xfff : 0xffff;
  const table = new Uint8Array(size);
  const view = new DataView(table.buffer);
  const set = (number: number, value: number): void => {
    if (bits === 16) return view.setUint16(number * 2, value, true);
    const at = Math.floor(number * 1.5);
    const pair = view.getUint16(at, true);
    view.setUint16(at, number % 2 === 0 ? (pair & 0xf000) | value : (pair & 0x000f) | (value << 4), true);
  };
  set(0, (end & ~0xff) | 0xf8);
  set(1, end);
  for (const { first, count } of files) {
    for (let i = 0; i < count; i++) set(first + i, i + 1 < count ? first + i + 1 : end);
  }
  return table;
}

interface Stamp {
  readonly date: number;
  readonly time: number;
}

/** Years from 1980, two seconds a step. */
function fatTime(seconds: number): Stamp {
  const at = new Date(seconds * 1000);
  return {
    date: ((at.getUTCFullYear() - 1980) << 9) | ((at.getUTCMonth() + 1) << 5) | at.getUTCDate(),
    time: (at.getUTCHours() << 11) | (at.getUTCMinutes() << 5) | (at.getUTCSeconds() >> 1),
  };
}

interface EntryInput {
  readonly short: string;
  readonly attributes: number;
  readonly shown: number;
  readonly first: number;
  readonly size: Bytes;
}

function entryOf({ short, attributes, shown, first, size }: EntryInput, { date, time }: Stamp): Uint8Array {
  const bytes = new Uint8Array(ENTRY);
  const view = new DataView(bytes.buffer);
  bytes.set(charCodes(short));
  bytes[11] = attributes;
  bytes[12] = shown;
  for (const at of [14, 22]) view.setUint16(at, time, true);
  for (const at of [16, 18, 24]) view.setUint16(at, date, true);
  view.setUint16(26, first, true);
  view.setUint32(28, size, true);
  return bytes;
}

/** The one piece of a name of at most 13 characters. */
function longName(name: string, short: string): Uint8Array {
  const bytes = new Uint8Array(ENTRY);
  const view = new DataView(bytes.buffer);
  bytes[0] = 0x41;
  bytes[11] = 0x0f;
  bytes[13] = charCodes(short).reduce((sum, byte) => ((sum >> 1) + ((sum & 1) << 7) + byte) & 0xff, 0);
  const units = [...charCodes(name), 0];
  for (const [i, at] of [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30].entries()) view.setUint16(at, units[i] ?? 0xffff, true);
  return bytes;
}

function charCodes(text: string): number[] {
  return Array.from(text, (one) => one.charCodeAt(0));
}

const invalid = (why: string): AppError => new AppError("FAT_INVALID", `this is not the boot volume of an image: ${why}`);
