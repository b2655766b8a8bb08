/** @portable The header of an x86 kernel file. Source: Linux, Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header". */
import type { Bytes } from "../core/units.ts";

/** So much of a file is enough: the header and the text of the version lie in the real-mode part, of at most 255 sectors after the first. */
export const BZIMAGE_HEAD: Bytes = 256 * 512;

/** What a kernel says of itself, or why it is none, as the end of a sentence that starts with the file. */
export type BzImage = { readonly version: string } | { readonly problem: string };

const SETUP_SECTS = 0x1f1;
const BOOT_FLAG = 0x1fe;
const HEADER = 0x202;
const PROTOCOL = 0x206;
const KERNEL_VERSION = 0x20e;
const LOAD_FLAGS = 0x211;
const XLOAD_FLAGS = 0x236;
const LOADED_HIGH = 1;
const XLF_KERNEL_64 = 1;
const SECTOR = 512;
/** Longest release that the kernel itself can have: `__NEW_UTS_LEN`. */
const RELEASE = /^[A-Za-z0-9][A-Za-z0-9._+~-]{0,63}(?=[ \0])/;

/** Reads the first {@link BZIMAGE_HEAD} bytes of a kernel file, or all where it is shorter. Never throws. */
export function readBzImage(bytes: Uint8Array): BzImage {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < XLOAD_FLAGS + 2 || view.getUint16(BOOT_FLAG, true) !== 0xaa55 || ascii(bytes, HEADER, 4) !== "HdrS") {
    return { problem: "is no bzImage: it has no x86 boot header" };
  }
  const protocol = view.getUint16(PROTOCOL, true);
  if (protocol < 0x0200 || (bytes[LOAD_FLAGS]! & LOADED_HIGH) === 0) return { problem: "is no bzImage, but an older zImage" };
  if (protocol < 0x020c || (view.getUint16(XLOAD_FLAGS, true) & XLF_KERNEL_64) === 0) {
    return { problem: "is not a 64-bit kernel" };
  }
  // Less 0x200, and within the setup sectors, of which 0 means 4.
  const pointer = view.getUint16(KERNEL_VERSION, true);
  const setup = (bytes[SETUP_SECTS]! || 4) * SECTOR;
  if (pointer === 0 || pointer >= setup) return { problem: "does not say its version" };
  const version = RELEASE.exec(`${ascii(bytes, pointer + SECTOR, 65)}\0`)?.[0];
  return version === undefined ? { problem: "does not say its version" } : { version };
}

const ascii = (bytes: Uint8Array, at: number, length: number): string => String.fromCharCode(...bytes.subarray(at, at + length));
