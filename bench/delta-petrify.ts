import { join } from "node:path";
import { fileSize, readBytes, readText } from "../src/host/files.ts";
import { openImage } from "../src/host/image-file.ts";
import type { Bytes } from "../src/core/units.ts";
import { decodeGpt, type Partition } from "../src/layout/gpt.ts";
import { SYSTEM_IMAGE_SECTOR, systemImageParts, type SystemImageParts } from "../src/layout/system-image.ts";
import type { Cost, DeltaFigures, Lab } from "./delta-lab.ts";
import type { ImagePair } from "./image-pairs.ts";
import { nodeProgram, releasesOf, REPOSITORY, writeAsNode } from "./node-write.ts";

/** What an update costs without a delta. */
export interface SegmentFigures {
  /** What names the segments and their digests: read for a delta, too. The index, the release's document and its signature, a few KB, are not counted. */
  readonly lists: Bytes;
  /** Packed segments that the old image has nowhere. */
  readonly missing: Bytes;
  /** All packed segments. */
  readonly whole: Bytes;
}

/** How bytes come that are in no delta. */
const PLAIN = /^segments|^the whole image/;
const programOf = (name: string): string => join(import.meta.dirname, name);

export async function petrifySegments(
  { old, new: next }: ImagePair,
  { path, measureHere }: Lab,
): Promise<SegmentFigures & { readonly make: Cost }> {
  const make = await measureHere([process.execPath, programOf("segments-program.ts"), old, next, path("figures")]);
  return { ...(JSON.parse(await readText(path("figures"))) as SegmentFigures), make };
}

/** The delta alone, and what a machine needs to write the new image: by it, without it, and without the old image. */
export interface PetrifyFigures extends DeltaFigures {
  readonly withoutDelta: Cost;
  readonly withoutOld: Cost;
}

export async function petrify(pair: ImagePair, lab: Lab): Promise<PetrifyFigures> {
  const { path, measureHere } = lab;
  const delta = path("delta");
  const make = await measureHere([process.execPath, programOf("../src/cli/main.ts"), "delta", pair.old, pair.new, "-o", delta]);
  await using registry = await releasesOf(pair, await readBytes(delta));
  const program = await nodeProgram(lab);
  const write = async (tag: string, way: RegExp, running?: string): Promise<Cost> =>
    await writeAsNode({ program, reference: `http://${registry.host}/${REPOSITORY}:${tag}`, pair, running, way }, lab);
  return {
    ...{ tool: "petrify", bytes: await fileSize(delta), make },
    apply: await write("with-delta", /^a delta/, pair.old),
    withoutDelta: await write("without-delta", PLAIN, pair.old),
    withoutOld: await write("without-delta", PLAIN),
  };
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

function partsOf(image: string): SystemImageParts<Partition> {
  using file = openImage(image);
  return systemImageParts(decodeGpt(file.read, file.size, SYSTEM_IMAGE_SECTOR));
}
