/** What firmware finds to start on a disk. Sources: UEFI 2.10, sections 5.2, 5.3 and 13.3.2; EDK2, PartitionDxe; El Torito 1.0 */
import type { Bytes } from "../../src/core/units.ts";
import { findInFat } from "../../src/layout/fat.ts";
import { decodeGpt, type ReadAt, type SectorSize } from "../../src/layout/gpt.ts";

/** `lenient`: a firmware for UEFI that takes a partition table without a boot sector in front of it, against the specification. */
export const READERS = ["bios", "uefi", "lenient"] as const;
export type Reader = (typeof READERS)[number];

/** Where the loader is that each would start, as text; nothing where it finds none. */
export type Found = Readonly<Partial<Record<Reader, string>>>;

export function foundBy(read: ReadAt, size: Bytes, sectorSize: SectorSize): Found {
  const gpt = gptLoader(read, size, sectorSize);
  const sector = read(0, 512);
  const isBootSector = sector[510] === 0x55 && sector[511] === 0xaa;
  const types = [0, 1, 2, 3].map((entry) => sector[446 + 16 * entry + 4]!);
  const isProtective = isBootSector && types.includes(0xee);
  const other = cdLoader(read) ?? (isBootSector ? (mbrLoader(read, sector, sectorSize) ?? fatLoader(read, 0)) : undefined);
  const uefi = (isProtective ? gpt : undefined) ?? other;
  const lenient = gpt ?? other;
  return {
    ...(isBootSector ? { bios: "the boot sector" } : {}),
    ...(uefi === undefined ? {} : { uefi }),
    ...(lenient === undefined ? {} : { lenient }),
  };
}

const LOADER = "/EFI/BOOT/BOOTX64.EFI";

function gptLoader(read: ReadAt, size: Bytes, sectorSize: SectorSize): string | undefined {
  const gpt = orNothing(() => decodeGpt(read, size, sectorSize));
  const partition = gpt?.partitions.find(({ start }) => fatLoader(read, start));
  return partition && `partition ${partition.number} of the partition table`;
}

function mbrLoader(read: ReadAt, sector: Uint8Array, sectorSize: SectorSize): string | undefined {
  const view = new DataView(sector.buffer, sector.byteOffset, sector.byteLength);
  for (const number of [1, 2, 3, 4]) {
    const at = 446 + 16 * (number - 1);
    const start = view.getUint32(at + 8, true) * sectorSize;
    if (start > 0 && ![0, 0xee].includes(sector[at + 4]!) && fatLoader(read, start))
      return `partition ${number} of the boot sector`;
  }
  return undefined;
}

const CD_SECTOR: Bytes = 2048;
/** UEFI asks for no boot sector before it takes one. */
export const CATALOGUE = "the boot catalogue of a CD";

/** A disk that holds a CD is one, too. */
function cdLoader(read: ReadAt): string | undefined {
  const text = (at: Bytes, length: Bytes): string => String.fromCharCode(...read(at, length));
  const descriptor = (number: number): Bytes => (16 + number) * CD_SECTOR;
  if (text(descriptor(0) + 1, 5) !== "CD001") return undefined;
  for (let number = 1; number < 16; number++) {
    const at = descriptor(number);
    if (text(at + 1, 5) !== "CD001") return undefined;
    if (text(at + 7, 23) !== "EL TORITO SPECIFICATION") continue;
    const pointer = read(at + 0x47, 4);
    const catalog = read(new DataView(pointer.buffer, pointer.byteOffset, 4).getUint32(0, true) * CD_SECTOR, CD_SECTOR);
    return catalogLoader(read, catalog);
  }
  return undefined;
}

function catalogLoader(read: ReadAt, catalog: Uint8Array): string | undefined {
  const view = new DataView(catalog.buffer, catalog.byteOffset, catalog.byteLength);
  const sum = Array.from({ length: 16 }, (_, word) => view.getUint16(2 * word, true)).reduce((a, b) => (a + b) & 0xffff, 0);
  if (catalog[0] !== 1 || view.getUint16(30, true) !== 0xaa55 || sum !== 0) return undefined;
  for (let at = 32; at < catalog.length; at += 32) {
    const isEntry = catalog[at] === 0x88;
    if (isEntry && fatLoader(read, view.getUint32(at + 8, true) * CD_SECTOR)) return CATALOGUE;
  }
  return undefined;
}

/** Whether a FAT from there on has a loader: its name in a folder that can be read, and the list of its places. */
const fatLoader = (read: ReadAt, start: Bytes): string | undefined =>
  orNothing(() => findInFat((offset, length) => read(start + offset, length), LOADER)) && `the file system at ${start}`;

function orNothing<T>(body: () => T): T | undefined {
  try {
    return body();
  } catch {
    return undefined;
  }
}
