/** @portable A volume that somebody has brought, whichever of three file systems it has: its label, and where its files lie. */
import { AppError } from "../core/error.ts";
import type { Bytes } from "../core/units.ts";
import { ext4Label, findInExt4 } from "./ext4-files.ts";
import { fatLabel, findInFat } from "./fat.ts";
import type { ReadAt } from "./gpt.ts";
import { findInIso, isoLabel } from "./iso9660.ts";

export interface Volume {
  /** As it is written; may be empty. */
  readonly label: string;
  /**
   * Where a file lies.
   *
   * @param path from the root, without a slash in front
   * @throws AppError; {@link isMissing} tells whether there is none
   */
  readonly find: (path: string) => VolumeFile;
}
export interface VolumeFile {
  readonly size: Bytes;
  /** In the order of the file; offsets from the start of the volume. */
  readonly extents: readonly { readonly start: Bytes; readonly size: Bytes }[];
}

/** @returns nothing for what is none of the three, or damaged at its beginning */
export function openVolume(read: ReadAt): Volume | undefined {
  const iso = ifSound(() => isoLabel(read));
  if (iso !== undefined) {
    const find = (path: string): VolumeFile => {
      const extent = findInIso(read, path);
      return { size: extent.size, extents: [extent] };
    };
    return { label: iso, find };
  }
  const ext4 = ext4Label(read);
  if (ext4 !== undefined) return { label: ext4, find: (path) => findInExt4(read, path) };
  const fat = ifSound(() => fatLabel(read));
  return fat === undefined ? undefined : { label: fat, find: (path) => findInFat(read, `/${path}`) };
}

/** Whether a volume has no such file; otherwise it cannot be read. */
export const isMissing = (error: AppError): boolean => error.code.endsWith("_FILE_MISSING");

function ifSound(label: () => string | undefined): string | undefined {
  try {
    return label();
  } catch (error) {
    if (error instanceof AppError) return undefined;
    throw error;
  }
}
