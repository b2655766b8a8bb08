import { mkdtempDisposable, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256 } from "../../src/host/sha256.ts";
import type { Tools } from "../../src/host/tools.ts";
import { findManifest, type FoundManifest } from "../../src/release/verify-image.ts";
import { noise } from "./small-image.ts";
import { treeImage, type TreeImageOptions } from "./tree-image.ts";

export interface ReleaseImage {
  readonly bytes: Buffer;
  readonly found: FoundManifest;
  readonly read: (offset: number, length: number) => Uint8Array;
}

/** An image of several segments: noise, zeros that are a segment of their own, and a file that another version has otherwise. */
export async function releaseImage(
  tools: Tools,
  version: string,
  more: Pick<TreeImageOptions, "machineConfig"> = {},
): Promise<ReleaseImage> {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-release-"));
  const path = join(dir.path, "image");
  const entries = [
    { path: "a/noise", data: noise(5_000_000, "always the same") },
    { path: "b/zeros", data: Buffer.alloc(10_000_000) },
    { path: "c/version", data: noise(3_000_000, version) },
  ];
  await treeImage(tools, entries, path, { facts: { version }, ...more });
  const bytes = await readFile(path);
  const read = (offset: number, length: number): Uint8Array => bytes.subarray(offset, offset + length);
  const found = await findManifest({ size: bytes.length, read: async (at, length) => read(at, length) }, sha256);
  return { bytes, found, read };
}
