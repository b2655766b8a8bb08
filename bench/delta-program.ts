/** What is measured of petrify: `node delta-program.ts make OLD NEW DELTA`, `… apply OLD NEW DELTA ROOT-START ROOT-SIZE SALT`. As on a machine, images are read and written by position. */
import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import type { Bytes } from "../src/core/units.ts";
import { openImage } from "../src/host/image-file.ts";
import { writeBytes } from "../src/host/partial-file.ts";
import { sha256 } from "../src/host/sha256.ts";
import { zstdPack, zstdQuickPack, zstdUnpack } from "../src/host/zstd.ts";
import { verityBuilder } from "../src/release/build-verity.ts";
import { applyDelta, readDeltaHeader, type PositionReader } from "../src/release/delta/apply-delta.ts";
import { makeDelta } from "../src/release/delta/make-delta.ts";

const packers = { sha256, pack: zstdPack, quickPack: zstdQuickPack, unpack: zstdUnpack } as const;
/** In place of the manifests' digests: as long, and as hard to pack. */
const DIGEST = sha256.digest(new Uint8Array());

async function make(old: string, next: string, output: string): Promise<void> {
  using before = openImage(old);
  using after = openImage(next);
  const images = { old: { image: before, digest: DIGEST }, new: { image: after, digest: DIGEST } } as const;
  await writeBytes(output, (await makeDelta({ ...images, ...packers })).bytes);
}

/** The hash tree, which is not in a delta, is made while the root comes by. @param root where it lies in the new image, and its salt: a manifest tells */
async function apply(old: string, next: string, delta: string, root: Root): Promise<void> {
  using before = openImage(old);
  using packed = openImage(delta);
  const reader = ({ size, read }: typeof before): PositionReader => ({
    size,
    read: async (at, length) => await Promise.resolve(read(at, length)),
  });
  const header = await readDeltaHeader(reader(packed), sha256);
  const tree = verityBuilder({ rootSize: root.size, salt: root.salt, sha256 });
  const fd = openSync(next, "w");
  ftruncateSync(fd, header.newSize);
  await applyDelta(header, {
    ...{ old: reader(before), delta: reader(packed), sha256, unpack: zstdUnpack, from: 0, done: () => {} },
    write: async (offset, bytes) => {
      const [first, end] = [root.start - offset, root.start + root.size - offset].map((at) => Math.max(0, at));
      tree.add(bytes.subarray(first, end));
      await Promise.resolve(writeSync(fd, bytes, 0, bytes.length, offset));
    },
  });
  const { bytes } = tree.finish();
  writeSync(fd, bytes, 0, bytes.length, header.omitted.start);
  closeSync(fd);
}
interface Root {
  readonly start: Bytes;
  readonly size: Bytes;
  readonly salt: string;
}

const [what, old, next, delta, ...root] = process.argv.slice(2) as [string, string, string, string, ...string[]];
if (what === "make") await make(old, next, delta);
else await apply(old, next, delta, { start: Number(root[0]), size: Number(root[1]), salt: root[2]! });
