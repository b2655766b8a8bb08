/** @portable Checks a root file system and its dm-verity hash tree, from the root hash down, in the order of the data. */
import { bytesOfHex, type Sha256 } from "../core/digest.ts";
import type { Bytes } from "../core/units.ts";
import type { Partition } from "../layout/gpt.ts";
import type { SystemImageParts } from "../layout/system-image.ts";
import { salter, verityTree } from "../layout/verity-tree.ts";
import {
  decodeVeritySuperblock,
  encodeVeritySuperblock,
  VERITY_SUPERBLOCK_SIZE,
  type VeritySuperblock,
} from "../layout/verity.ts";
import { DamageFound } from "./damage.ts";
import { MAX_READ, mediumError, type ImageReader } from "./image-reader.ts";
import type { Manifest } from "./manifest.ts";

/** Of data and hash blocks: docs/formats/system-image.md. */
export const VERITY_BLOCK: Bytes = 4096;
const RUN = MAX_READ / VERITY_BLOCK;
/** Leaves of the tree are read ahead, 256 KiB for 32 MiB of data: a disk that turns seeks less. */
const LEAVES = 64;

interface RootInput {
  readonly image: ImageReader;
  readonly sha256: Sha256;
  readonly parts: SystemImageParts<Partition>;
  readonly manifest: Pick<Manifest, "rootHash" | "veritySalt">;
  /** Data blocks that need no check any more. */
  readonly from: number;
  /** Called after each run of up to 256 blocks with the number of data blocks that are checked. */
  readonly checked: (blocks: number) => Promise<void>;
}

/**
 * Memory: 1.3 MiB and what the reader has. The hash blocks above the leaves are held one a level, as the kernel would walk.
 *
 * @throws DamageFound the first in the order of the data, hash blocks before what they cover; what `read` rejects with otherwise
 */
export async function verifyRoot({ image, sha256, parts, manifest, from, checked }: RootInput): Promise<void> {
  const superblock = await readSuperblock(image, parts, manifest);
  const { levels, hashesPerBlock, entrySize } = verityTree(superblock);
  const salted = salter(superblock.salt, VERITY_BLOCK);
  const matches = (block: Uint8Array, entry: Uint8Array): boolean => {
    const digest = sha256.digest(salted(block));
    return digest.every((byte, i) => byte === entry[i]);
  };
  const rootHash = bytesOfHex(manifest.rootHash);
  const held: ({ readonly index: number; readonly bytes: Uint8Array } | undefined)[] = levels.map(() => undefined);
  let leaves: { readonly first: number; readonly bytes: Uint8Array } = { first: 0, bytes: new Uint8Array() };

  /** The digest that block `index` of the level below `level` must have, and those that follow it in one hash block, which has been checked. */
  const entriesFrom = async (level: number, index: number): Promise<Uint8Array> => {
    if (level === levels.length) return rootHash;
    const block = Math.floor(index / hashesPerBlock);
    const bytes = held[level]?.index === block ? held[level].bytes : await hashBlock(level, block);
    return bytes.subarray((index % hashesPerBlock) * entrySize);
  };
  const hashBlock = async (level: number, index: number): Promise<Uint8Array> => {
    const number = levels[level]!.first + index;
    const expected = await entriesFrom(level + 1, index);
    const bytes = level === 0 ? await leaf(index) : await readHashBlocks(number, 1);
    if (!matches(bytes, expected)) {
      const above = level + 1 === levels.length ? "the root hash" : "the block above it";
      throw new DamageFound("root-verity", `block ${number} of the hash tree does not match ${above}`, { block: number });
    }
    held[level] = { index, bytes };
    return bytes;
  };
  const leaf = async (index: number): Promise<Uint8Array> => {
    if (index < leaves.first || (index - leaves.first + 1) * VERITY_BLOCK > leaves.bytes.length) {
      const { first, count } = levels[0]!;
      leaves = { first: index, bytes: await readHashBlocks(first + index, Math.min(LEAVES, count - index)) };
    }
    const at = (index - leaves.first) * VERITY_BLOCK;
    return leaves.bytes.subarray(at, at + VERITY_BLOCK);
  };
  const readHashBlocks = async (number: number, count: number): Promise<Uint8Array> =>
    await readBlocks(image, parts.verity.start, number, new Uint8Array(count * VERITY_BLOCK), (why) => {
      throw new DamageFound("root-verity", `block ${number} of the hash tree ${why}`, { block: number });
    });

  const buffer = new Uint8Array(RUN * VERITY_BLOCK);
  for (let next = from; next < superblock.dataBlocks;) {
    await entriesFrom(0, next); // a damaged hash block is named before data that cannot be judged is read
    const first = next;
    const wanted = Math.min(RUN, superblock.dataBlocks - first) * VERITY_BLOCK;
    const run = await readBlocks(image, parts.root.start, first, buffer.subarray(0, wanted), (why) => {
      throw new DamageFound("root", `block ${first} of the root file system ${why}`, { block: first });
    });
    for (let at = 0; at < run.length;) {
      const entries = await entriesFrom(0, next);
      for (let entry = 0; entry < entries.length && at < run.length; entry += entrySize, at += VERITY_BLOCK, next++) {
        if (matches(run.subarray(at, at + VERITY_BLOCK), entries.subarray(entry))) continue;
        throw new DamageFound("root", `block ${next} of the root file system does not match the hash tree`, { block: next });
      }
    }
    await checked(next);
  }
}

/** Everything that it says is known from elsewhere; its UUID means nothing, and is the only part that is not checked. */
async function readSuperblock(
  image: ImageReader,
  { root, verity }: SystemImageParts<Partition>,
  manifest: Pick<Manifest, "veritySalt">,
): Promise<VeritySuperblock> {
  const damaged = (what: string, cause?: unknown): never => {
    throw new DamageFound("root-verity", what, { block: 0, cause });
  };
  const bytes = await readBlocks(image, verity.start, 0, new Uint8Array(VERITY_BLOCK), (why) =>
    damaged(`the superblock of the hash tree ${why}`),
  );
  const { uuid } = decode(bytes, damaged);
  const superblock: VeritySuperblock = {
    ...{ uuid, algorithm: "sha256", dataBlockSize: VERITY_BLOCK, hashBlockSize: VERITY_BLOCK },
    ...{ dataBlocks: root.size / VERITY_BLOCK, salt: manifest.veritySalt },
  };
  const expected = encodeVeritySuperblock(superblock);
  if (bytes.some((byte, at) => byte !== (expected[at] ?? 0))) {
    damaged("the superblock of the hash tree does not describe the root file system of the manifest");
  }
  const { blocks } = verityTree(superblock);
  if (blocks * VERITY_BLOCK !== verity.size)
    damaged(`the hash tree has ${blocks} blocks; its partition has ${verity.size / VERITY_BLOCK}`);
  return superblock;
}

function decode(bytes: Uint8Array, damaged: (what: string, cause: unknown) => never): VeritySuperblock {
  try {
    return decodeVeritySuperblock(bytes.subarray(0, VERITY_SUPERBLOCK_SIZE));
  } catch (error) {
    return damaged((error as Error).message, error);
  }
}

/**
 * Fills `into` with the blocks from `number` on; a place that cannot be read ends it earlier.
 *
 * @param failed called when not even the first one can be read
 * @returns the part of `into` that is filled: whole blocks, at least one
 */
async function readBlocks(
  { read }: ImageReader,
  start: Bytes,
  number: number,
  into: Uint8Array,
  failed: (why: string) => never,
): Promise<Uint8Array> {
  const offset = start + number * VERITY_BLOCK;
  let filled = 0;
  let why = "is missing: the image is cut short";
  const readInto = async (at: Bytes, length: Bytes): Promise<boolean> => {
    try {
      const bytes = await read(offset + at, length);
      into.set(bytes, at);
      filled = at + bytes.length - (bytes.length % VERITY_BLOCK);
      return bytes.length === length;
    } catch (error) {
      const code = mediumError(error);
      if (code === undefined) throw error;
      why = `cannot be read (${code})`;
      return false;
    }
  };
  if (!(await readInto(0, into.length))) {
    // One of them is the one that cannot be read.
    while (filled < into.length && (await readInto(filled, VERITY_BLOCK)));
  }
  return filled > 0 ? into.subarray(0, filled) : failed(why);
}
