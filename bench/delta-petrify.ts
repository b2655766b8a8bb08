import { join } from "node:path";
import { fileSize, readText } from "../src/host/files.ts";
import { openImage } from "../src/host/image-file.ts";
import type { Bytes } from "../src/core/units.ts";
import { decodeGpt, type Partition } from "../src/layout/gpt.ts";
import { SYSTEM_IMAGE_SECTOR, systemImageParts, type SystemImageParts } from "../src/layout/system-image.ts";
import { decodeVeritySuperblock, VERITY_SUPERBLOCK_SIZE } from "../src/layout/verity.ts";
import { isImage, type Cost, type DeltaFigures, type Lab } from "./delta-lab.ts";
import type { ImagePair } from "./image-pairs.ts";

/** What an update costs without a delta. */
export interface SegmentFigures {
  /** What names the segments and their digests: read for a delta, too. The index, the release's document and its signature, a few KB, are not counted. */
  readonly lists: Bytes;
  /** Packed segments that the old image has nowhere. */
  readonly missing: Bytes;
  /** All packed segments. */
  readonly whole: Bytes;
}

/** As the agent's Node is started. */
const AGENT = ["--max-semi-space-size=1", "--max-old-space-size=64"] as const;
const programOf = (name: string): string => join(import.meta.dirname, name);

export async function petrifySegments(
  { old, new: next }: ImagePair,
  { path, measureHere }: Lab,
): Promise<SegmentFigures & { readonly make: Cost }> {
  const make = await measureHere([process.execPath, programOf("segments-program.ts"), old, next, path("figures")]);
  return { ...(JSON.parse(await readText(path("figures"))) as SegmentFigures), make };
}

/** The delta alone. */
export async function petrify({ old, new: next }: ImagePair, { path, measureHere }: Lab): Promise<DeltaFigures> {
  const [tool, delta, made] = ["petrify", path("delta"), path("made")];
  const make = await measureHere([process.execPath, programOf("../src/cli/main.ts"), "delta", old, next, "-o", delta]);
  const { root, salt } = partsOf(next);
  const applying = [programOf("apply-program.ts"), old, made, delta, String(root.start), String(root.size), salt] as const;
  const apply = await measureHere([process.execPath, ...AGENT, ...applying]);
  await isImage(made, next, tool);
  return { tool, bytes: await fileSize(delta), make, apply };
}

/** What of the hash tree has changed, in whole blocks. */
export function changedTree({ old, new: next }: ImagePair): Bytes {
  using before = openImage(old);
  using after = openImage(next);
  const [{ verity: was }, { verity: is }] = [partsOf(old), partsOf(next)];
  let changed = 0;
  for (let at = 0; at < is.size; at += BLOCK) {
    if (!Buffer.from(after.read(is.start + at, BLOCK)).equals(before.read(was.start + at, BLOCK))) changed += BLOCK;
  }
  return changed;
}
const BLOCK: Bytes = 4096;

function partsOf(image: string): SystemImageParts<Partition> & { readonly salt: string } {
  using file = openImage(image);
  const parts = systemImageParts(decodeGpt(file.read, file.size, SYSTEM_IMAGE_SECTOR));
  return { ...parts, salt: decodeVeritySuperblock(file.read(parts.verity.start, VERITY_SUPERBLOCK_SIZE)).salt };
}
