import assert from "node:assert/strict";
import { MiB, type Bytes } from "../../src/core/units.ts";
import { sha256 } from "../../src/host/sha256.ts";
import { findInFat } from "../../src/layout/fat.ts";
import { verityTree, type VerityTree } from "../../src/layout/verity-tree.ts";
import { decodeVeritySuperblock } from "../../src/layout/verity.ts";
import type { Damage } from "../../src/release/damage.ts";
import type { ImageReader } from "../../src/release/image-reader.ts";
import { verifyImage, type Verdict, type VerifyInput } from "../../src/release/verify-image.ts";
import type { SmallImage } from "./small-image.ts";

export const BLOCK = 4096;

/** Keeps what a reader is allowed to do: one buffer for all reads, whose bytes are gone at the next; and a caller to its duties. */
export function readerOf(bytes: Uint8Array, failing: (offset: number, length: number) => string | undefined = () => undefined) {
  const own = new Uint8Array(MiB);
  const reads: { readonly offset: number; readonly length: number }[] = [];
  let reading = false;
  const image: ImageReader = {
    size: bytes.length,
    read: async (offset, length) => {
      assert.ok(!reading && length <= MiB && offset >= 0, `${length} bytes from ${offset}`);
      reading = true;
      own.fill(0xdb);
      await Promise.resolve();
      reading = false;
      reads.push({ offset, length });
      const code = failing(offset, length);
      if (code) throw Object.assign(new Error(`${code}: read`), { code });
      const part = bytes.subarray(offset, offset + length);
      own.set(part);
      return own.subarray(0, part.length);
    },
  };
  return { image, reads };
}

export const verify = async ({ bytes, digest }: SmallImage, more: Partial<VerifyInput> = {}): Promise<Verdict> =>
  await verifyImage({ image: readerOf(bytes).image, sha256, digest, ...more });
export const damageOf = (verdict: Verdict): Omit<Damage, "what"> | undefined => {
  if (verdict.ok) return undefined;
  const { what, ...damage } = verdict.damage;
  assert.match(what, /^[\p{Ll}S].*[^.]$/u);
  return damage;
};

/** With one bit of an image changed. */
export async function flipped<T>({ bytes }: SmallImage, at: number, body: () => Promise<T>, bit = 4): Promise<T> {
  bytes[at]! ^= 1 << bit;
  try {
    return await body();
  } finally {
    bytes[at]! ^= 1 << bit;
  }
}
/** Where a file of the boot partition lies, from the start of the image. */
export const bootFile = ({ bytes, parts }: SmallImage, name: string): { readonly start: Bytes; readonly size: Bytes } => {
  const { size, extents } = findInFat(
    (offset, length) => bytes.subarray(parts.boot.start + offset, parts.boot.start + offset + length),
    `/${name}`,
  );
  assert.equal(extents.length, 1);
  return { start: parts.boot.start + extents[0]!.start, size };
};
export const treeOf = ({ bytes, parts }: SmallImage): VerityTree =>
  verityTree(decodeVeritySuperblock(bytes.subarray(parts.verity.start)));
