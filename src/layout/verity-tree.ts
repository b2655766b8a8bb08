/**
 * @portable The shape of a dm-verity hash tree, and the one hash it is made of.
 * Source: kernel docs, admin-guide/device-mapper/verity; cryptsetup wiki, DMVerity, format version 1.
 */
import { bytesOfHex } from "../core/digest.ts";
import type { VeritySuperblock } from "./verity.ts";

/** A run of hash blocks whose entries are the digests of the blocks of the level below, in order. */
export interface VerityLevel {
  /** Its first hash block, counted from the start of the hash partition, where the superblock is block 0. The kernel's messages count the same. */
  readonly first: number;
  /** Hash blocks. Unused entries of the last one are zero. */
  readonly count: number;
}
export interface VerityTree {
  /** As the kernel numbers them: 0 has the digests of the data, the last one is one block, whose digest is the root hash.
   * Empty for a single data block: its own digest is the root hash. On disk the order is the reverse. */
  readonly levels: readonly VerityLevel[];
  readonly hashesPerBlock: number;
  /** Bytes from one entry to the next: a digest padded to a power of two. */
  readonly entrySize: number;
  /** Hash blocks with the superblock's: the least length of the hash partition. */
  readonly blocks: number;
}

const SHA256_SIZE = 32;

/** @param digestSize of the superblock's algorithm, in bytes */
export function verityTree(
  { dataBlocks, hashBlockSize }: Pick<VeritySuperblock, "dataBlocks" | "hashBlockSize">,
  digestSize = SHA256_SIZE,
): VerityTree {
  const entrySize = 2 ** Math.ceil(Math.log2(digestSize));
  const hashesPerBlock = hashBlockSize / entrySize;
  const counts: number[] = [];
  for (let below = dataBlocks; below > 1;) {
    below = Math.ceil(below / hashesPerBlock);
    counts.push(below);
  }
  let end = 1; // behind the superblock
  const levels = counts.toReversed().map((count) => {
    const first = end;
    end += count;
    return { first, count };
  });
  return { levels: levels.toReversed(), hashesPerBlock, entrySize, blocks: end };
}

/** What a block's digest is made of: the salt, then the block (format version 1; version 0 had the salt behind). */
export function salter(salt: string, blockSize: number): (block: Uint8Array) => Uint8Array {
  const prefix = bytesOfHex(salt);
  const bytes = new Uint8Array(prefix.length + blockSize);
  bytes.set(prefix);
  return (block) => {
    bytes.set(block, prefix.length);
    return bytes;
  };
}
