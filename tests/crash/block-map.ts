/** A disk in memory: the blocks that are not zero. It goes from one state after a power cut to the next, and back. */
import { createHash } from "node:crypto";
import type { Bytes } from "../../src/core/units.ts";
import type { Extent } from "../../src/layout/disk.ts";
import type { Piece } from "./power-cut.ts";

export const BLOCK: Bytes = 4096;
/** Every block of zeros is this one. */
export const ZERO: Uint8Array = new Uint8Array(BLOCK);

export interface BlockMap {
  readonly read: (offset: Bytes, length: Bytes) => Uint8Array;
  /** The block from `index * BLOCK` on. */
  readonly at: (index: number) => Uint8Array;
  /** Those that have something in them. */
  readonly entries: () => IterableIterator<readonly [index: number, block: Uint8Array]>;
  /** @returns what takes it back, if nothing older is taken back before */
  readonly apply: (pieces: readonly Piece[]) => () => void;
  /** Blocks of a part that are not zero: offset in the disk, content. */
  readonly blocks: (extent: Extent, leaveOut?: readonly Extent[]) => readonly Piece[];
}

/**
 * @param base what it holds at first
 * @param changed is told of every block that becomes another one
 */
export function blockMap(
  base: { readonly read: (offset: Bytes, length: Bytes) => Uint8Array; readonly size: Bytes },
  changed: (index: number, before: Uint8Array, after: Uint8Array) => void = () => {},
): BlockMap {
  const found = new Map<number, Uint8Array>();
  for (let start = 0; start < base.size; start += CHUNK) {
    const chunk = base.read(start, CHUNK);
    if (isZero(chunk)) continue;
    for (let inside = 0; inside < chunk.length; inside += BLOCK) {
      const block = chunk.subarray(inside, inside + BLOCK);
      if (!isZero(block)) found.set((start + inside) / BLOCK, wholeBlock(block));
    }
  }
  const at = (index: number): Uint8Array => found.get(index) ?? ZERO;
  const replace = (index: number, block: Uint8Array): void => {
    changed(index, at(index), block);
    if (block === ZERO) found.delete(index);
    else found.set(index, block);
  };
  return {
    at,
    entries: () => found.entries(),
    read: (offset, length) => {
      const bytes = new Uint8Array(length);
      for (let done = 0; done < length;) {
        const from = (offset + done) % BLOCK;
        const part = at(Math.floor((offset + done) / BLOCK)).subarray(from, from + length - done);
        bytes.set(part, done);
        done += part.length;
      }
      return bytes;
    },
    apply: (pieces) => {
      const before = new Map<number, Uint8Array>();
      for (const { offset, data } of pieces) {
        for (let done = 0; done < data.length;) {
          const index = Math.floor((offset + done) / BLOCK);
          const from = (offset + done) % BLOCK;
          const part = data.subarray(done, done + Math.min(BLOCK - from, data.length - done));
          const old = at(index);
          if (!before.has(index)) before.set(index, old);
          const block = merged(old, part, from);
          if (block !== old) replace(index, block);
          done += part.length;
        }
      }
      return () => {
        for (const [index, block] of before) replace(index, block);
      };
    },
    blocks: ({ start, size }, leaveOut = []) => {
      const inside: Piece[] = [];
      for (const [index, data] of found) {
        const offset = index * BLOCK;
        if (offset < start || offset >= start + size) continue;
        if (leaveOut.some((one) => offset >= one.start && offset < one.start + one.size)) continue;
        inside.push({ offset, data });
      }
      return inside;
    },
  };
}

/** Numbers that tell blocks, and their places, apart; the sum of a disk is the exclusive or of them all. A block of zeros is 0. */
export function blockHasher(): (index: number, block: Uint8Array) => bigint {
  const hashes = new WeakMap<Uint8Array, bigint>();
  return (index, block) => {
    if (block === ZERO) return 0n;
    let hash = hashes.get(block);
    if (hash === undefined) {
      hash = createHash("sha256").update(String(index)).update(block).digest().readBigUInt64LE();
      hashes.set(block, hash);
    }
    return hash;
  };
}

const CHUNK: Bytes = 1024 * 1024;
const ZEROS = new Uint8Array(CHUNK);
const isZero = (bytes: Uint8Array): boolean => Buffer.compare(bytes, ZEROS.subarray(0, bytes.length)) === 0;

/** A copy, which nobody else has; the disk's last block may be a part of one. */
function wholeBlock(bytes: Uint8Array): Uint8Array {
  const block = new Uint8Array(BLOCK);
  block.set(bytes);
  return block;
}

function merged(old: Uint8Array, part: Uint8Array, from: Bytes): Uint8Array {
  if (old === ZERO && isZero(part)) return ZERO;
  if (part.length === BLOCK) return isZero(part) ? ZERO : wholeBlock(part);
  const block = wholeBlock(old);
  block.set(part, from);
  return isZero(block) ? ZERO : block;
}
