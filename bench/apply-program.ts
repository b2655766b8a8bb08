/** What is measured of applying: `node apply-program.ts OLD NEW DELTA ROOT-START ROOT-SIZE SALT`. As on a machine, images are read and written by position. */
import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import type { Bytes } from "../src/core/units.ts";
import { openImage } from "../src/host/image-file.ts";
import { sha256 } from "../src/host/sha256.ts";
import { zstdUnpack } from "../src/host/zstd.ts";
import { verityBuilder } from "../src/release/build-verity.ts";
import { applyDelta, readDeltaHeader, type PositionReader } from "../src/release/delta/apply-delta.ts";

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

const [old, next, delta, start, size, salt] = process.argv.slice(2) as [string, string, string, string, string, string];
await apply(old, next, delta, { start: Number(start), size: Number(size), salt });
