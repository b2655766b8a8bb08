import { createHash } from "node:crypto";
import type { Bytes } from "../core/units.ts";
import { planDisk, type DiskPlan } from "../layout/disk.ts";
import { newDiskGuids, newRecord } from "../layout/new-disk.ts";
import { formatManifest, type Manifest } from "../release/manifest.ts";
import type { BuildContext } from "./context.ts";
import { buildDisk, type DiskOutput } from "./disk.ts";
import { buildGrub } from "./grub.ts";

interface BuiltImage {
  /** Path of the system image. */
  readonly image: string;
  readonly manifest: Manifest;
}
/** The image goes into slot a and into the recovery partition. */
export interface ImageDisk extends BuiltImage {
  /** Fill slot b with this image, both proven: for tests of what happens after an update, or when a breaks. */
  readonly slotB?: BuiltImage;
  readonly slotSize?: Bytes | undefined;
  readonly diskSize?: Bytes | undefined;
  readonly work: string;
}

/** A disk as a factory would write it: the image in slot a on trial (it has not been healthy on this machine yet), slot b empty. */
export async function diskOfImage(
  { image, manifest, slotB, slotSize, diskSize, work }: ImageDisk,
  outputs: readonly DiskOutput[],
  { tools, random, signal }: Pick<BuildContext, "tools" | "random" | "signal">,
): Promise<DiskPlan> {
  const imageSize = Math.max(manifest.sizes.image, slotB?.manifest.sizes.image ?? 0);
  const { partitions } = planDisk({ imageSize, slotSize, diskSize });
  return await buildDisk(
    tools,
    {
      images: { a: image, b: slotB?.image, recovery: image },
      slotSize,
      diskSize,
      guids: newDiskGuids(random),
      ...newRecord({ a: digestOf(manifest), b: slotB && digestOf(slotB.manifest) }),
      loader: await buildGrub(tools, { biosPartition: partitions.bios, work, signal }),
      time: manifest.created,
    },
    outputs,
    work,
    signal,
  );
}

/** SHA-256 of its manifest: which image it is. */
export const digestOf = (manifest: Manifest): string => createHash("sha256").update(formatManifest(manifest)).digest("hex");
