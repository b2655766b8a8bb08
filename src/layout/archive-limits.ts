import { AppError } from "../core/error.ts";
import { formatSize, GiB, MiB, type Bytes } from "../core/units.ts";
import type { TreeLimits } from "./layer-tree.ts";

/** What a base may have: far more than any system has, and little enough that a hostile one ends. docs/concepts/bases.md */
export interface ArchiveLimits extends TreeLimits {
  /** Of all layers together, decompressed. */
  readonly unpacked: Bytes;
  /** How many times its size an archive may become, once it is larger than `ratioFrom`. */
  readonly ratio: number;
  readonly ratioFrom: Bytes;
}
export const LIMITS: ArchiveLimits = {
  entries: 1_000_000,
  names: 256 * MiB,
  unpacked: 64 * GiB,
  ratio: 200,
  ratioFrom: GiB,
};

/** How large an archive may become that has this size. */
export const largestUnpacked = ({ unpacked, ratio, ratioFrom }: ArchiveLimits, size: Bytes): Bytes =>
  Math.min(unpacked, Math.max(ratioFrom, size * ratio));

export const tooLarge = (origin: string, limit: Bytes): AppError =>
  new AppError("ARCHIVE_REFUSED", `${origin}: becomes more than ${formatSize(limit)} when it is decompressed`, {
    hint: "An archive that grows so much is made to fill disks, or full of zeros: pack it again without them.",
  });
