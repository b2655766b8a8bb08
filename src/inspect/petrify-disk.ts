/** Whether a disk is one of petrify's, and of what system. */
import { AppError } from "../core/error.ts";
import { MiB, type Bytes } from "../core/units.ts";
import { openDirect } from "../host/direct-read.ts";
import { sha256 } from "../host/sha256.ts";
import { DISK_PARTITIONS } from "../layout/disk.ts";
import { decodeGpt, type DecodedGpt } from "../layout/gpt.ts";
import { mediumError, pagedDecoding, type ImageReader } from "../release/image-reader.ts";
import { findManifest } from "../release/verify-image.ts";

/** The file system's own blocks come first, then the files of the slots: docs/formats/disk.md. */
const SEARCHED: Bytes = 64 * MiB;
const BLOCK: Bytes = 4096;

/**
 * A phrase such as `my-os 0.1.0 on a disk of petrify's`.
 *
 * @param path a block device, or a raw file
 * @returns nothing when it is no disk of petrify's
 * @throws NodeJS.ErrnoException when it cannot be opened
 */
export async function petrifyDiskOn(path: string): Promise<string | undefined> {
  await using disk = await openDirect(path);
  try {
    const gpt = await tableOf(disk);
    const state = gpt?.partitions.find(({ name }) => name === "state");
    if (!gpt || !state || gpt.partitions.map(({ name }) => name).join() !== DISK_PARTITIONS.join()) return undefined;
    const name = await firstImage(disk, state.start);
    return name === undefined ? "a disk of petrify's" : `${name}, a disk of petrify's`;
  } catch (error) {
    if (mediumError(error) === undefined) throw error;
    return undefined; // what cannot be read has no name
  }
}

async function tableOf(disk: ImageReader): Promise<DecodedGpt | undefined> {
  const decoding = pagedDecoding(disk);
  for (const sectorSize of [512, 4096] as const) {
    try {
      return await decoding((read) => decodeGpt(read, disk.size, sectorSize));
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
    }
  }
  return undefined;
}

/** Name and version of the image in the first slot that holds one. */
async function firstImage({ read, size }: ImageReader, state: Bytes): Promise<string | undefined> {
  for (let at = state; at < Math.min(size, state + SEARCHED); at += MiB) {
    const chunk = Buffer.from(await read(at, MiB)); // a copy: the next read takes the buffer
    for (let block = 0; block + BLOCK <= chunk.length; block += BLOCK) {
      if (chunk.toString("latin1", block + 512, block + 520) !== "EFI PART") continue;
      const base = at + block;
      try {
        const image: ImageReader = { size: size - base, read: async (offset, length) => await read(base + offset, length) };
        const { manifest } = await findManifest(image, sha256);
        return `${manifest.name} ${manifest.version}`;
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
      }
    }
  }
  return undefined;
}
