/** @portable An ISO 9660 volume: its label, and where a file lies. Source: ECMA-119, 4th edition; Joliet specification; IEEE P1282 (Rock Ridge) */
import { AppError } from "../core/error.ts";
import { MiB, type Bytes } from "../core/units.ts";
import { latin1Text } from "./env-block.ts";
import type { ReadAt } from "./gpt.ts";

const SECTOR: Bytes = 2048;
/** Where descriptors begin, and how many are looked at. Source: ECMA-119, 6.2.1 */
const FIRST_DESCRIPTOR = 16;
const MAX_DESCRIPTORS = 16;
const PRIMARY = 1;
const SUPPLEMENTARY = 2;
const TERMINATOR = 255;
/** Of a folder: a larger one is not believed. */
const MAX_FOLDER: Bytes = MiB;
/** UCS-2, levels 1 to 3. Source: Joliet, "Escape sequences" */
const JOLIET = ["%/@", "%/C", "%/E"] as const;
/** Source: ECMA-119, 9.1.6 */
const FOLDER = 0x02;
/** A file in several pieces. */
const PIECES = 0x80;

interface Volume {
  readonly label: string;
  /** Folders to look in, the one with the truest names first. */
  readonly roots: readonly Folder[];
}
interface Folder {
  readonly start: Bytes;
  readonly size: Bytes;
  readonly isJoliet: boolean;
}
interface Entry {
  readonly name: string;
  readonly start: Bytes;
  readonly size: Bytes;
  readonly isFolder: boolean;
}

/** @returns nothing when this is no ISO 9660 volume */
export function isoLabel(read: ReadAt): string | undefined {
  return openIso(read)?.label;
}

/**
 * A file, by its long names (Joliet or Rock Ridge) or, where there are none, by its plain ones, in any case.
 *
 * @param path from the root: `user-data`, `openstack/latest/user_data`
 * @throws AppError `ISO_INVALID`, `ISO_FILE_MISSING`
 */
export function findInIso(read: ReadAt, path: string): { readonly start: Bytes; readonly size: Bytes } {
  const volume = openIso(read);
  if (!volume) throw invalid("it has no volume descriptor");
  const names = path.split("/").filter((name) => name !== "");
  for (const root of volume.roots) {
    const found = names.length === 0 ? undefined : findBelow(read, root, names);
    if (found) return { start: found.start, size: found.size };
  }
  throw new AppError("ISO_FILE_MISSING", `there is no ${path} on this ISO 9660 volume`);
}

function findBelow(read: ReadAt, folder: Folder, [name, ...rest]: readonly string[]): Entry | undefined {
  for (const entry of entriesOf(read, folder)) {
    if (entry.name.toLowerCase() !== name!.toLowerCase() || entry.isFolder !== rest.length > 0) continue;
    return entry.isFolder ? findBelow(read, { ...entry, isJoliet: folder.isJoliet }, rest) : entry;
  }
  return undefined;
}

function openIso(read: ReadAt): Volume | undefined {
  let label: string | undefined;
  const roots: Folder[] = [];
  for (let number = 0; number < MAX_DESCRIPTORS; number++) {
    const bytes = read((FIRST_DESCRIPTOR + number) * SECTOR, SECTOR);
    if (bytes.length < SECTOR || latin1Text(bytes.subarray(1, 6)) !== "CD001") break;
    const type = bytes[0]!;
    if (type === TERMINATOR) break;
    const isJoliet = type === SUPPLEMENTARY && JOLIET.some((escape) => latin1Text(bytes.subarray(88, 91)) === escape);
    if (type !== PRIMARY && !isJoliet) continue;
    const record = viewOf(bytes.subarray(156, 190));
    const root = { start: record.getUint32(2, true) * SECTOR, size: record.getUint32(10, true), isJoliet };
    if (isJoliet) roots.unshift(root);
    else {
      if (viewOf(bytes).getUint16(128, true) !== SECTOR) throw invalid("its blocks have another size than 2048 bytes");
      label ??= latin1Text(bytes.subarray(40, 72)).trimEnd();
      roots.push(root);
    }
  }
  return label === undefined ? undefined : { label, roots };
}

function* entriesOf(read: ReadAt, { start, size, isJoliet }: Folder): Generator<Entry> {
  if (size > MAX_FOLDER) throw invalid("a folder is too large");
  const folder = read(start, size);
  if (folder.length < size) throw invalid("it ends too early");
  for (let at = 0; at < size;) {
    const length = folder[at]!;
    // A record does not cross the end of a sector.
    const left = SECTOR - (at % SECTOR);
    if (length === 0) {
      at += left;
      continue;
    }
    const record = folder.subarray(at, at + length);
    const nameLength = record[32] ?? 0;
    if (length > left || record.length < 33 + nameLength) throw invalid("a folder is damaged");
    at += length;
    if ((record[25]! & PIECES) !== 0) continue;
    const view = viewOf(record);
    const plain = record.subarray(33, 33 + nameLength);
    const system = record.subarray(33 + nameLength + (nameLength % 2 === 0 ? 1 : 0));
    const name = isJoliet ? bigEndianText(plain) : (rockRidgeName(system) ?? latin1Text(plain));
    yield {
      name: name.replace(/;\d+$/, "").replace(/\.$/, ""),
      start: view.getUint32(2, true) * SECTOR,
      size: view.getUint32(10, true),
      isFolder: (record[25]! & FOLDER) !== 0,
    };
  }
}

/** Source: IEEE P1282, 4.1.4: entries `NM`, whose pieces are put together */
function rockRidgeName(system: Uint8Array): string | undefined {
  let name: string | undefined;
  for (let at = 0; at + 5 <= system.length;) {
    const length = system[at + 2]!;
    if (length < 4) break;
    if (latin1Text(system.subarray(at, at + 2)) === "NM") name = (name ?? "") + latin1Text(system.subarray(at + 5, at + length));
    at += length;
  }
  return name;
}

function bigEndianText(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at + 1 < bytes.length; at += 2) text += String.fromCharCode((bytes[at]! << 8) | bytes[at + 1]!);
  return text;
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const invalid = (why: string): AppError => new AppError("ISO_INVALID", `this is not a sound ISO 9660 volume: ${why}`);
