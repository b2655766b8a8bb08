/** @portable The boot loader that an image carries for disks that it is installed to. docs/formats/loader-kit.md */
import { AppError } from "../core/error.ts";
import type { Bytes } from "../core/units.ts";
import { planDisk, TRIES_FILE, type Extent } from "./disk.ts";
import { latin1Bytes, latin1Text } from "./env-block.ts";
import { findInFat } from "./fat.ts";
import type { Guid } from "./guid.ts";
import type { Patch } from "./patch.ts";

/** Where an image has it. */
export const LOADER_KIT_PATH = "/usr/lib/petrify/loader.kit";

export interface LoaderKit {
  /** Capacity of a slot, as the recipe says; absent where it leaves that to the image's size. */
  readonly slotSize?: Bytes;
  /** Of the efi partition and of the whole disk: all that is not zero; offsets count from the start of the disk, and rise. */
  readonly pieces: readonly Patch[];
}

const SIGNATURE = "petrify-loader-kit 1\n";
const MAX_HEADER: Bytes = 64 * 1024;
/** Runs of zeros from this on are left out. */
const BLOCK: Bytes = 4096;
/** Of the disk, before the partition table begins. */
const BOOT_CODE: Extent = { start: 0, size: 440 };
/** The serial number of a FAT12 or FAT16. Source: Microsoft FAT specification, 2005, BS_VolID */
const VOLUME_ID_AT: Bytes = 39;

/** Parts of a disk that a loader is in: they have the same place on every one. */
export function loaderPlaces(): { readonly bootCode: Extent; readonly bios: Extent; readonly efi: Extent } {
  const { bios, efi } = planDisk({ imageSize: 1 }).partitions;
  return { bootCode: BOOT_CODE, bios, efi };
}

export function encodeLoaderKit({ slotSize, pieces }: LoaderKit): Uint8Array {
  const places = pieces.map(({ offset, data }) => [offset, data.length]);
  const header = latin1Bytes(
    `${SIGNATURE}${JSON.stringify({ ...(slotSize === undefined ? {} : { slotSize }), pieces: places })}\n`,
  );
  const bytes = new Uint8Array(header.length + pieces.reduce((sum, { data }) => sum + data.length, 0));
  bytes.set(header);
  let at = header.length;
  for (const { data } of pieces) {
    bytes.set(data, at);
    at += data.length;
  }
  return bytes;
}

/** @throws AppError `LOADER_KIT_INVALID`; nothing else, whatever the bytes */
export function decodeLoaderKit(bytes: Uint8Array): LoaderKit {
  const head = latin1Text(bytes.subarray(0, MAX_HEADER));
  if (!head.startsWith(SIGNATURE)) throw invalid("it does not begin as one of this version");
  const end = head.indexOf("\n", SIGNATURE.length);
  if (end < 0) throw invalid("its header has no end");
  const { slotSize, pieces } = headerOf(head.slice(SIGNATURE.length, end));
  const places = Object.values(loaderPlaces());
  let [at, before] = [end + 1, 0];
  const found = pieces.map(([offset, length]): Patch => {
    if (offset < before || !places.some(({ start, size }) => offset >= start && offset + length <= start + size)) {
      throw invalid(`${length} bytes at ${offset} are out of place`);
    }
    const data = bytes.subarray(at, at + length);
    [at, before] = [at + length, offset + length];
    return { offset, data };
  });
  if (at !== bytes.length) throw invalid(`it has ${bytes.length} bytes in place of ${at}`);
  return { ...(slotSize === undefined ? {} : { slotSize }), pieces: found };
}

function headerOf(text: string): { readonly slotSize?: Bytes; readonly pieces: readonly (readonly [Bytes, Bytes])[] } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalid("its header is no JSON", cause);
  }
  if (typeof value !== "object" || value === null) throw invalid("its header is no object");
  const { slotSize, pieces } = value as Readonly<Record<string, unknown>>;
  if (slotSize !== undefined && !isCount(slotSize)) throw invalid("its slots have no size");
  if (!Array.isArray(pieces)) throw invalid("its pieces are not listed");
  const places = pieces.map((one: unknown): [Bytes, Bytes] => {
    const [offset, length, ...more]: unknown[] = Array.isArray(one) ? one : [];
    if (!isSafe(offset) || !isCount(length) || more.length > 0) throw invalid("a piece has no place");
    return [offset, length];
  });
  return { ...(slotSize === undefined ? {} : { slotSize }), pieces: places };
}

const isSafe = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isCount = (value: unknown): value is number => isSafe(value) && value > 0;

/** What of a run of bytes is to be kept: blocks that are not zero, put together. @param at of the bytes on the disk, at a block */
export function nonZeroPieces(bytes: Uint8Array, at: Bytes): Patch[] {
  const pieces: { offset: Bytes; start: number; end: number }[] = [];
  for (let start = 0; start < bytes.length; start += BLOCK) {
    const end = Math.min(bytes.length, start + BLOCK);
    if (bytes.subarray(start, end).every((byte) => byte === 0)) continue;
    const last = pieces.at(-1);
    if (last?.end === start) last.end = end;
    else pieces.push({ offset: at + start, start, end });
  }
  return pieces.map(({ offset, start, end }) => ({ offset, data: bytes.slice(start, end) }));
}

/**
 * The loader's bytes of one disk: with its tries, and with the serial number that a build would give its FAT.
 *
 * @param efi GUID of the efi partition
 * @param tries what {@link TRIES_FILE} is to hold
 * @throws AppError `LOADER_KIT_INVALID`
 */
export function loaderOfDisk({ pieces }: LoaderKit, { efi, tries }: { readonly efi: Guid; readonly tries: Uint8Array }): Patch[] {
  const { start, size } = loaderPlaces().efi;
  const own = pieces.map(({ offset, data }) => ({ offset, data: Uint8Array.from(data) }));
  const at = (offset: Bytes): { readonly data: Uint8Array; readonly index: number } | undefined => {
    const piece = own.find((one) => one.offset <= offset && offset < one.offset + one.data.length);
    return piece && { data: piece.data, index: offset - piece.offset };
  };
  const put = (offset: Bytes, bytes: Uint8Array): void => {
    const place = at(offset);
    if (!place || place.index + bytes.length > place.data.length) throw invalid("what belongs to the disk has no place in it");
    place.data.set(bytes, place.index);
  };
  const read = (offset: Bytes, length: Bytes): Uint8Array => {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, size - offset)));
    for (const { offset: from, data } of own) {
      const [first, end] = [Math.max(from, start + offset), Math.min(from + data.length, start + offset + bytes.length)];
      if (first < end) bytes.set(data.subarray(first - from, end - from), first - start - offset);
    }
    return bytes;
  };
  const [place, ...more] = triesExtents(read);
  if (!place || more.length > 0 || place.size !== tries.length) throw invalid(`${TRIES_FILE} is not in one piece`);
  put(start + place.start, tries);
  const id = new Uint8Array(4);
  new DataView(id.buffer).setUint32(0, Number.parseInt(efi.slice(0, 8), 16), true);
  put(start + VOLUME_ID_AT, id);
  return own;
}

function triesExtents(read: (offset: Bytes, length: Bytes) => Uint8Array): readonly Extent[] {
  try {
    return findInFat(read, TRIES_FILE).extents;
  } catch (cause) {
    throw invalid(`its efi partition has no ${TRIES_FILE}`, cause);
  }
}

const invalid = (why: string, cause?: unknown): AppError =>
  new AppError("LOADER_KIT_INVALID", `the image's boot loader cannot be used: ${why}`, {
    hint: "Build the image again with the petrify that is to install it.",
    cause,
  });
