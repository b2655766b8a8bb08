import { getRawPointer } from "node:ffi";
import type { Bytes } from "../core/units.ts";

/** Of offsets, lengths and memory in direct I/O: whole blocks of any disk. Source: open(2), O_DIRECT. */
export const DIRECT_ALIGN: Bytes = 4096;

/** Node promises no alignment, and the address of a buffer, which never moves, is all that is missing to choose an aligned part. */
export function alignedBuffer(size: Bytes): Uint8Array {
  const memory = new ArrayBuffer(size + DIRECT_ALIGN);
  const beyond = Number(getRawPointer(memory) % BigInt(DIRECT_ALIGN));
  return new Uint8Array(memory, (DIRECT_ALIGN - beyond) % DIRECT_ALIGN, size);
}
