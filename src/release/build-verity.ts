/**
 * @portable Makes the hash tree of a root file system while that comes by: what an update does not have to carry. The bytes are those of `veritysetup format`.
 * Source: cryptsetup wiki, DMVerity, format version 1; docs/formats/system-image.md
 */
import { DIGEST_SIZE, hex, type Sha256 } from "../core/digest.ts";
import type { Bytes } from "../core/units.ts";
import { salter, verityTree } from "../layout/verity-tree.ts";
import { encodeVeritySuperblock, VERITY_UUID } from "../layout/verity.ts";
import { VERITY_BLOCK } from "./verify-root.ts";

export interface VerityInput {
  /** Of the root partition: whole blocks of 4096 bytes, at least one. */
  readonly rootSize: Bytes;
  /** Hexadecimal digits, as the manifest has them. */
  readonly salt: string;
  readonly sha256: Pick<Sha256, "digest">;
}
export interface BuiltVerity {
  /** 64 hexadecimal digits. */
  readonly rootHash: string;
  /** The whole hash partition: superblock and tree. */
  readonly bytes: Uint8Array;
}
export interface VerityBuilder {
  /** The next bytes of the root, in runs of any length. @throws RangeError beyond its end */
  readonly add: (bytes: Uint8Array) => void;
  /** Digests of the next blocks, which were computed elsewhere. @throws RangeError beyond the end, and in the middle of a block */
  readonly addDigests: (digests: Uint8Array) => void;
  /** @throws Error while bytes of the root are missing */
  readonly finish: () => BuiltVerity;
}

/** Memory: the tree, 8 MiB for each GiB of root, and two blocks. */
export function verityBuilder({ rootSize, salt, sha256 }: VerityInput): VerityBuilder {
  const dataBlocks = rootSize / VERITY_BLOCK;
  if (!Number.isSafeInteger(dataBlocks) || dataBlocks < 1) throw new RangeError(`a root of ${rootSize} bytes`);
  const { levels, entrySize, blocks } = verityTree({ dataBlocks, hashBlockSize: VERITY_BLOCK });
  const tree = new Uint8Array(blocks * VERITY_BLOCK);
  const salted = salter(salt, VERITY_BLOCK);
  const digestOf = (block: Uint8Array): Uint8Array => sha256.digest(salted(block));
  const placeOf = (level: number, entry: number): Bytes => levels[level]!.first * VERITY_BLOCK + entry * entrySize;

  const partial = new Uint8Array(VERITY_BLOCK);
  let filled = 0;
  let done = 0;
  let only: Uint8Array | undefined; // a single block has no tree: its digest is the root hash
  const addBlock = (block: Uint8Array): void => {
    if (done >= dataBlocks) throw new RangeError("more bytes than the root has");
    const digest = digestOf(block);
    if (levels.length === 0) only = digest;
    else tree.set(digest, placeOf(0, done));
    done++;
  };

  return {
    add: (bytes) => {
      for (let at = 0; at < bytes.length;) {
        if (filled === 0 && bytes.length - at >= VERITY_BLOCK) {
          addBlock(bytes.subarray(at, at + VERITY_BLOCK));
          at += VERITY_BLOCK;
          continue;
        }
        const part = bytes.subarray(at, at + VERITY_BLOCK - filled);
        partial.set(part, filled);
        filled += part.length;
        at += part.length;
        if (filled < VERITY_BLOCK) continue;
        filled = 0;
        addBlock(partial);
      }
    },
    addDigests: (digests) => {
      const count = digests.length / DIGEST_SIZE;
      if (filled > 0 || done + count > dataBlocks) throw new RangeError("digests of blocks that are not the next ones");
      for (let index = 0; index < count; index++) {
        const digest = digests.subarray(index * DIGEST_SIZE, (index + 1) * DIGEST_SIZE);
        if (levels.length === 0) only = digest.slice();
        else tree.set(digest, placeOf(0, done));
        done++;
      }
    },
    finish: () => {
      if (done !== dataBlocks || filled > 0) throw new Error(`only ${done} of the root's ${dataBlocks} blocks have come`);
      const blockOf = (level: number, index: number): Uint8Array => {
        const at = (levels[level]!.first + index) * VERITY_BLOCK;
        return tree.subarray(at, at + VERITY_BLOCK);
      };
      for (let level = 1; level < levels.length; level++) {
        for (let index = 0; index < levels[level - 1]!.count; index++) {
          tree.set(digestOf(blockOf(level - 1, index)), placeOf(level, index));
        }
      }
      tree.set(
        encodeVeritySuperblock({
          ...{ uuid: VERITY_UUID.replaceAll("-", ""), algorithm: "sha256", dataBlocks, salt },
          ...{ dataBlockSize: VERITY_BLOCK, hashBlockSize: VERITY_BLOCK },
        }),
      );
      return { rootHash: hex(only ?? digestOf(blockOf(levels.length - 1, 0))), bytes: tree };
    },
  };
}
