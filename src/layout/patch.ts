/** @portable Bytes that belong at a place of a disk. */
import type { Bytes } from "../core/units.ts";

/** A run of bytes and where it goes; what lies between patches is left as it is (zero in a new file). */
export interface Patch {
  readonly offset: Bytes;
  readonly data: Uint8Array;
}

/** One run of a source file and where it goes. */
export interface Piece {
  readonly from: Bytes;
  readonly length: Bytes;
  readonly to: Bytes;
}
