/** @portable Whether a disk is one of petrify's, of what system, and what began its installation. */
import type { Sha256 } from "../core/digest.ts";
import { AppError } from "../core/error.ts";
import { MiB, type Bytes } from "../core/units.ts";
import { DISK_PARTITIONS } from "../layout/disk.ts";
import { latin1Text } from "../layout/env-block.ts";
import { isUnfinished, UNFINISHED } from "../layout/flash-plan.ts";
import { decodeGpt, type DecodedGpt } from "../layout/gpt.ts";
import { decodeInstallMark, INSTALL_MARK_OFFSET, INSTALL_MARK_SIZE } from "../layout/install-mark.ts";
import { mediumError, pagedDecoding, type ImageReader } from "./image-reader.ts";
import { findManifest } from "./verify-image.ts";

/** The file system's own blocks come first, then the files of the slots: docs/formats/disk.md. */
const SEARCHED: Bytes = 64 * MiB;
const BLOCK: Bytes = 4096;

export interface PetrifyDisk {
  /** A phrase such as `my-os 0.1.0, a disk of petrify's`. */
  readonly name: string;
  /** docs/formats/install-mark.md; nothing on a disk that is half written. */
  readonly installedFrom?: string;
}

/** @returns nothing when it is no disk of petrify's, or its tables cannot be read @throws what `read` rejects with, unless that is a medium error */
export async function petrifyDisk(disk: ImageReader, sha256: Sha256): Promise<PetrifyDisk | undefined> {
  try {
    const gpt = await tableOf(disk);
    const state = gpt?.partitions.find(({ name }) => name === "state");
    const record = gpt?.partitions.find(({ name }) => name === "record");
    if (!gpt || !state || !record) return undefined;
    if (gpt.partitions.map(({ name }) => name).join() !== DISK_PARTITIONS.join()) return undefined;
    const mark = Uint8Array.from(await disk.read(record.start + INSTALL_MARK_OFFSET, INSTALL_MARK_SIZE));
    const isWhole = !isUnfinished(await disk.read(0, UNFINISHED.length));
    const installedFrom = isWhole ? decodeInstallMark(mark) : undefined;
    const image = await firstImage(disk, state.start, sha256);
    return {
      name: image === undefined ? "a disk of petrify's" : `${image}, a disk of petrify's`,
      ...(installedFrom === undefined ? {} : { installedFrom }),
    };
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
async function firstImage({ read, size }: ImageReader, state: Bytes, sha256: Sha256): Promise<string | undefined> {
  for (let at = state; at < Math.min(size, state + SEARCHED); at += MiB) {
    const chunk = Uint8Array.from(await read(at, MiB)); // a copy: the next read takes the buffer
    for (let block = 0; block + BLOCK <= chunk.length; block += BLOCK) {
      if (latin1Text(chunk.subarray(block + 512, block + 520)) !== "EFI PART") continue;
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
