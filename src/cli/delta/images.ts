/** The two images of a delta. */
import { AppError } from "../../core/error.ts";
import type { Bytes } from "../../core/units.ts";
import { openImage, type ImageFile } from "../../host/image-file.ts";
import { sha256 } from "../../host/sha256.ts";
import type { ImageReader } from "../../release/image-reader.ts";
import { findManifest } from "../../release/verify-image.ts";
import { unreadableFile } from "../unreadable-file.ts";

/** An image that a delta is from, or to. */
export interface DeltaEnd {
  readonly name: string;
  readonly version: string;
  /** SHA-256 of its manifest. */
  readonly digest: string;
  readonly size: Bytes;
}

/** @throws AppError `FILE_UNREADABLE` */
export function openEnd(path: string): ImageFile {
  try {
    return openImage(path);
  } catch (error) {
    throw unreadableFile(path, error);
  }
}

export const readerOf = ({ size, read }: ImageFile): ImageReader => ({
  size,
  read: async (at, length) => await Promise.resolve(read(at, length)),
});

/** @throws AppError `FILE_UNREADABLE`, `SYSTEM_IMAGE_INVALID`, `IMAGE_NEWER`, `IMAGE_FOREIGN` */
export async function endOf(path: string, image: ImageFile): Promise<DeltaEnd> {
  try {
    const { manifest, digest } = await findManifest(readerOf(image), sha256);
    return { name: manifest.name, version: manifest.version, digest, size: image.size };
  } catch (cause) {
    if (cause instanceof AppError && cause.code === "IMAGE_INVALID") {
      const hint = "Name a system image (.img), not a disk.";
      throw new AppError("SYSTEM_IMAGE_INVALID", `${path} is not a system image: ${cause.message}`, { hint, cause });
    }
    throw unreadableFile(path, cause);
  }
}

/** @throws AppError `DELTA_SAME_IMAGE`, `DELTA_OTHER_NAME` */
export function refuseUnrelated(old: DeltaEnd, { name, version, digest }: DeltaEnd): void {
  if (old.digest === digest) {
    throw new AppError("DELTA_SAME_IMAGE", `both are the same image, ${name} ${version}: there is nothing to update`, {
      hint: "Name the image that machines run, then the one that they are to get.",
    });
  }
  if (old.name !== name) {
    throw new AppError("DELTA_OTHER_NAME", `${old.name} cannot become ${name}: machines take images of their own name only`, {
      hint: "Name two versions of one image.",
    });
  }
}
