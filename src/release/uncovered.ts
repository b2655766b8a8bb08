/**
 * @portable What of an image no digest covers: its tables, the FAT's own bytes, and everything between the parts. All of it follows from the manifest,
 * so all of it is compared: no byte of an image can hold what the manifest does not answer for. docs/formats/system-image.md
 */
import { bytesOfHex, hex, type Sha256 } from "../core/digest.ts";
import { AppError } from "../core/error.ts";
import type { Bytes } from "../core/units.ts";
import { bootVolume } from "../layout/boot-volume.ts";
import { BZIMAGE_HEAD, readBzImage } from "../layout/bzimage.ts";
import { openErofs, type Erofs } from "../layout/erofs.ts";
import { findInFat } from "../layout/fat.ts";
import { encodeGpt, type Partition } from "../layout/gpt.ts";
import { IMAGE_FACTS_PATH, parseImageFacts } from "../layout/image-facts.ts";
import type { Patch } from "../layout/patch.ts";
import {
  BOOT_FILES,
  planSystemImage,
  SYSTEM_IMAGE_SECTOR,
  systemImageIds,
  systemImageParts,
  type SystemImageParts,
} from "../layout/system-image.ts";
import { VERITY_UUID } from "../layout/verity.ts";
import type { Damage } from "./damage.ts";
import { MAX_READ, mediumError, pagedDecoding, type ImageReader } from "./image-reader.ts";
import type { FoundManifest } from "./verify-image.ts";

/** Something that the manifest does not answer for. */
export interface Finding {
  readonly part: Damage["part"] | "outside";
  /** One sentence, without a full stop. */
  readonly what: string;
  /** Bytes of the image that are concerned, where they are few. */
  readonly range?: { readonly start: Bytes; readonly size: Bytes };
}
type Part = Finding["part"];

interface Area {
  readonly part: Part;
  /** Of the sentence: `the partition table`. */
  readonly name: string;
  readonly start: Bytes;
  /** What has to be there. */
  readonly data: Uint8Array;
}

/** More is no news. */
const MAX_FINDINGS = 100;
/** Runs that are closer than this are told as one. */
const NEAR: Bytes = 16;
const MAX_FACTS: Bytes = 64 * 1024;

/**
 * Everything that {@link verifyImage} does not look at. Together they see every bit of a file.
 *
 * @returns nothing when each byte is as the manifest has it
 * @throws what `read` rejects with, unless that is a medium error
 */
export async function findUncovered(image: ImageReader, sha256: Sha256, found: FoundManifest): Promise<readonly Finding[]> {
  const { manifest, bytes: text } = found;
  const findings: Finding[] = [];
  const { sizes, rootHash } = manifest;
  const ids = systemImageIds(rootHash, sha256);
  const gpt = planSystemImage({ boot: sizes.boot, root: sizes.root, verity: sizes.rootVerity }, rootHash, ids);
  const parts = systemImageParts(gpt);
  if (gpt.size !== sizes.image) {
    return [{ part: "manifest", what: `an image with these parts has ${gpt.size} bytes, not ${sizes.image}` }];
  }
  const expected: Area[] = encodeGpt(gpt, SYSTEM_IMAGE_SECTOR).map((patch) => areaOf("table", "the partition table", patch, 0));
  const covered: { start: Bytes; size: Bytes }[] = [parts.root, parts.verity];
  try {
    const { sector, sizes: files } = await bootPartition(image, parts.boot);
    const volume = { size: sizes.boot, imageSize: sizes.image, volumeId: ids.volume, time: manifest.created, sizes: files };
    const laid = bootVolume(volume, sector);
    expected.push(...laid.tables.map((patch) => areaOf("boot", "the boot partition's tables", patch, parts.boot.start)));
    covered.push(...laid.files.map(({ start, size }) => ({ start: parts.boot.start + start, size })));
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return [{ part: "boot", what: error.message }];
  }
  const uuid = { offset: 16, data: bytesOfHex(VERITY_UUID.replaceAll("-", "")) };
  expected.push(areaOf("root-verity", "the UUID of the hash tree", uuid, parts.verity.start));

  const add = (part: Part, name: string, run: { readonly start: Bytes; readonly size: Bytes }): void => {
    findings.push({ part, what: `${name}: ${placeText(run)} not as the manifest has it`, range: run });
  };
  for (const { part, name, start, data } of expected) {
    for await (const run of differing(image, start, data.length, data)) add(part, name, run);
  }
  const known = [...covered, ...expected.map(({ start, data }) => ({ start, size: data.length }))];
  for (const gap of gapsOf(known, sizes.image)) {
    const inBoot = gap.start >= parts.boot.start && gap.start < parts.boot.start + sizes.boot;
    const [part, name] = inBoot
      ? (["boot", "the boot partition's free space"] as const)
      : (["outside", "outside the partitions"] as const);
    for await (const { start, size } of differing(image, gap.start, gap.size)) {
      findings.push({ part, what: `${name}: ${placeText({ start, size })} not zero`, range: { start, size } });
      if (findings.length >= MAX_FINDINGS) return findings;
    }
  }
  if (image.size > sizes.image) {
    const range = { start: sizes.image, size: image.size - sizes.image };
    findings.push({ part: "outside", what: `the file goes on for ${range.size} bytes behind the image`, range });
  }
  const canonical = `${JSON.stringify(JSON.parse(new TextDecoder().decode(text)), undefined, 2)}\n`;
  if (hex(sha256.digest(new TextEncoder().encode(canonical))) !== found.digest) {
    findings.push({ part: "manifest", what: "the manifest is not written as manifests are" });
  }
  findings.push(...(await disagreements(image, parts, found)));
  return findings;
}

/** The first sector, and how many bytes each file has. */
async function bootPartition(
  image: ImageReader,
  { start, size }: { readonly start: Bytes; readonly size: Bytes },
): Promise<{ readonly sector: Uint8Array; readonly sizes: Readonly<Record<string, Bytes>> }> {
  const decode = pagedDecoding({ size, read: async (offset, length) => await image.read(start + offset, length) });
  return await decode((read) => ({
    sector: read(0, SYSTEM_IMAGE_SECTOR),
    sizes: Object.fromEntries(Object.values(BOOT_FILES).map((name) => [name, findInFat(read, `/${name}`).size])),
  }));
}

/** What the manifest says in words is in the root file system too, where the root hash answers for it. */
async function disagreements(
  image: ImageReader,
  { boot, root }: SystemImageParts<Partition>,
  { manifest }: FoundManifest,
): Promise<Finding[]> {
  const decode = pagedDecoding({
    size: root.size,
    read: async (offset, length) => await image.read(root.start + offset, length),
  });
  const version = await kernelVersion(image, boot);
  const finding = (what: string): Finding[] => [{ part: "manifest", what }];
  try {
    return await decode((read) => {
      const fs = openErofs(read);
      const facts = parseImageFacts(new TextDecoder().decode(fileBytes(fs, IMAGE_FACTS_PATH, read)));
      for (const key of ["name", "version", "created"] as const) {
        if (facts[key] !== manifest[key]) {
          return finding(
            `the manifest's ${key} is ${JSON.stringify(manifest[key])}, the image's own is ${JSON.stringify(facts[key])}`,
          );
        }
      }
      const folders = ["/usr/lib/modules", "/lib/modules"];
      if (folders.some((folder) => nidOf(fs, `${folder}/${manifest.kernel}`) !== undefined)) return [];
      if (version === manifest.kernel) return []; // a kernel without modules says it itself
      const other = version === undefined ? "" : `, and its kernel says that it is ${version}`;
      return finding(`the image has no modules of the kernel ${manifest.kernel}, which the manifest names${other}`);
    });
  } catch (error) {
    if (error instanceof AppError)
      return finding(`what the manifest says cannot be compared with the root file system: ${error.message}`);
    const code = mediumError(error);
    if (code === undefined) throw error;
    return finding(`the root file system's own facts cannot be read (${code})`);
  }
}

/** Nothing where the kernel does not say it. */
async function kernelVersion(image: ImageReader, { start, size }: Partition): Promise<string | undefined> {
  const decode = pagedDecoding({ size, read: async (offset, length) => await image.read(start + offset, length) });
  return await decode((read) => {
    const first = findInFat(read, `/${BOOT_FILES.kernel}`).extents[0];
    const kernel = readBzImage(first ? read(first.start, Math.min(first.size, BZIMAGE_HEAD)) : new Uint8Array());
    return "version" in kernel ? kernel.version : undefined;
  });
}

function nidOf(fs: Erofs, path: string): number | undefined {
  let nid = fs.root;
  for (const part of path.split("/").filter(Boolean)) {
    if (fs.inode(nid).kind !== "folder") return undefined;
    const found = fs.list(nid).find(({ name }) => name === part);
    if (!found) return undefined;
    nid = found.nid;
  }
  return nid;
}

function fileBytes(fs: Erofs, path: string, read: (offset: Bytes, length: Bytes) => Uint8Array): Uint8Array {
  const nid = nidOf(fs, path);
  const extents = nid === undefined ? undefined : fs.extents(nid);
  const size = nid === undefined ? 0 : fs.inode(nid).size;
  if (!extents || size > MAX_FACTS) throw new AppError("IMAGE_FACTS_INVALID", `${path} is not there to be read`);
  const bytes = new Uint8Array(size);
  let done = 0;
  for (const extent of extents) {
    if (extent.start !== undefined) bytes.set(read(extent.start, extent.size), done);
    done += extent.size;
  }
  return bytes;
}

const areaOf = (part: Part, name: string, { offset, data }: Patch, base: Bytes): Area => ({
  part,
  name,
  start: base + offset,
  data,
});

/** What lies between areas, from the start of the image to its end. */
function gapsOf(areas: readonly { readonly start: Bytes; readonly size: Bytes }[], end: Bytes): { start: Bytes; size: Bytes }[] {
  const gaps: { start: Bytes; size: Bytes }[] = [];
  let at = 0;
  for (const { start, size } of areas.toSorted((a, b) => a.start - b.start)) {
    if (start > at) gaps.push({ start: at, size: start - at });
    at = Math.max(at, start + size);
  }
  if (end > at) gaps.push({ start: at, size: end - at });
  return gaps;
}

/**
 * The runs of an area that differ from what is expected; a place that cannot be read differs.
 *
 * @param data as long as the area; without it, zeros are expected
 */
async function* differing(
  image: ImageReader,
  from: Bytes,
  length: Bytes,
  data?: Uint8Array,
): AsyncGenerator<{ start: Bytes; size: Bytes }> {
  let run: { start: Bytes; end: Bytes } | undefined;
  for (let at = from; at < from + length;) {
    const wanted = Math.min(MAX_READ, from + length - at);
    const bytes = await readOrNothing(image, at, wanted);
    const rest = data?.subarray(at - from);
    for (let i = difference(bytes, rest, 0, wanted); i < wanted; i = difference(bytes, rest, i + 1, wanted)) {
      if (run && at + i - run.end > NEAR) {
        yield { start: run.start, size: run.end - run.start };
        run = undefined;
      }
      run = { start: run?.start ?? at + i, end: at + i + 1 };
    }
    at += wanted;
  }
  if (run) yield { start: run.start, size: run.end - run.start };
}

/** Where the first byte from `from` on differs; `end` when none does. */
function difference(bytes: Uint8Array, data: Uint8Array | undefined, from: number, end: number): number {
  let i = from;
  if (data) while (i < end && bytes[i] === data[i]) i++;
  else while (i < end && bytes[i] === 0) i++;
  return i;
}

async function readOrNothing(image: ImageReader, at: Bytes, length: Bytes): Promise<Uint8Array> {
  try {
    return await image.read(at, length);
  } catch (error) {
    if (mediumError(error) === undefined) throw error;
    return new Uint8Array();
  }
}

const placeText = ({ start, size }: { readonly start: Bytes; readonly size: Bytes }): string =>
  size === 1 ? `byte ${start} is` : `bytes ${start} to ${start + size - 1} are`;
