/** @portable Digests: SHA-256 as portable code takes it, passed in because every runtime has its own; and hexadecimal digits. */

export interface Sha256 {
  /** The digest of these bytes: 32 bytes. */
  digest(bytes: Uint8Array): Uint8Array;
  /** For what does not fit in memory. */
  stream(): Sha256Stream;
}
export interface Sha256Stream {
  update(bytes: Uint8Array): void;
  /** Once, at the end: 32 bytes. */
  digest(): Uint8Array;
}

/** Lower-case hexadecimal digits. */
export const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** @param digits an even number of them */
export const bytesOfHex = (digits: string): Uint8Array =>
  Uint8Array.from(digits.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));

/** Of SHA-256, in bytes. */
export const DIGEST_SIZE = 32;
/** What a hash tree has digests of, in bytes: docs/formats/system-image.md. */
export const DIGEST_BLOCK = 4096;

/** SHA-256 of a segment of an image, and of its blocks. */
export interface SegmentDigests {
  readonly whole: Uint8Array;
  /** Of each whole block, salted as the hash tree has them, one after the other. */
  readonly blocks: Uint8Array;
}
