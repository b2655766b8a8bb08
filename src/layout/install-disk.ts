/** @portable A whole new disk for an image, put together of what is made and of the image's own file. docs/concepts/install.md */
import type { Bytes } from "../core/units.ts";
import { composeDisk, type ComposedDisk, type DiskPart } from "./composed-disk.ts";
import { diskGpt, type DiskGuids, type DiskPartition, type DiskPlan } from "./disk.ts";
import { encodeGpt } from "./gpt.ts";
import { encodeInstallMark, INSTALL_MARK_OFFSET } from "./install-mark.ts";
import { loaderOfDisk, type LoaderKit } from "./loader-kit.ts";
import { storeMetadata } from "./mke2fs.ts";
import { newRecord } from "./new-disk.ts";
import type { Patch, Piece } from "./patch.ts";

/** An image store: its file, and where the bytes of each of its files are in that. */
export interface StoreFile<F> {
  readonly file: F;
  readonly pieces: readonly (readonly Piece[])[];
}
export interface NewDisk<F> {
  readonly plan: DiskPlan;
  /** Fresh for each disk. */
  readonly guids: DiskGuids;
  readonly loader: LoaderKit;
  /** The image for slot a and for recovery, and SHA-256 of its manifest. */
  readonly image: { readonly file: F; readonly size: Bytes; readonly digest: string };
  /** File systems, each in a file of the partition's size. */
  readonly oem: F;
  readonly persistent: F;
  readonly recovery: StoreFile<F>;
  readonly state: StoreFile<F>;
  /** What began the installation, where nobody did. */
  readonly source?: string | undefined;
}

/**
 * What a build makes of an image (src/build/image-disk.ts), without a file that is as large as the disk.
 *
 * @throws AppError `LOADER_KIT_INVALID`
 */
export function newDisk<F>({ plan, guids, loader, image, source, ...files }: NewDisk<F>): ComposedDisk<F> {
  const { partitions } = plan;
  const { record, tries } = newRecord({ a: image.digest });
  const marks: readonly Patch[] = source === undefined ? [] : [{ offset: INSTALL_MARK_OFFSET, data: encodeInstallMark(source) }];
  const within = ({ offset, data }: Patch): Patch => ({ offset: partitions.record.start + offset, data });
  const patches = [
    ...encodeGpt(diskGpt(plan, guids), "both"),
    ...loaderOfDisk(loader, { efi: guids.efi, tries }),
    ...[...record, ...marks].map(within),
  ];
  const all = (name: DiskPartition, file: F): DiskPart<F> => ({ ...partitions[name], from: { file, at: 0 } });
  return composeDisk(plan.size, [
    ...patches.map(({ offset, data }): DiskPart<F> => ({ start: offset, size: data.length, from: { bytes: data } })),
    all("oem", files.oem),
    all("persistent", files.persistent),
    ...storeParts(partitions.recovery, files.recovery, image),
    ...storeParts(partitions.state, files.state, image),
  ]);
}

/** The store's own blocks, and the image in the first of its files. */
function storeParts<F>(
  { start, size }: { readonly start: Bytes; readonly size: Bytes },
  { file, pieces }: StoreFile<F>,
  image: { readonly file: F; readonly size: Bytes },
): DiskPart<F>[] {
  const { superblock, rest } = storeMetadata(size, pieces.flat());
  const own = [superblock, ...rest].map((extent): DiskPart<F> => ({
    start: start + extent.start,
    size: extent.size,
    from: { file, at: extent.start },
  }));
  const content = pieces[0]!.map(({ from, length, to }): DiskPart<F> => ({
    start: start + to,
    size: Math.max(0, Math.min(length, image.size - from)),
    from: { file: image.file, at: from },
  }));
  return [...own, ...content];
}
