import type { Bytes } from "../core/units.ts";
import { planDisk, type DiskPlan } from "../layout/disk.ts";
import { newDiskGuids, newRecord } from "../layout/new-disk.ts";
import type { BuildContext } from "./context.ts";
import { buildDisk, type DiskOutput } from "./disk.ts";
import { buildGrub } from "./grub.ts";
import { readManifest } from "./read-manifest.ts";

/** The image goes into slot a and into the recovery partition. */
export interface ImageDisk {
  /** Path of the system image. */
  readonly image: string;
  /** Fill slot b with this image, both proven: for tests of what happens after an update, or when a breaks. */
  readonly slotB?: string;
  readonly slotSize?: Bytes | undefined;
  readonly diskSize?: Bytes | undefined;
  readonly work: string;
}

/** A disk as a factory would write it: the image in slot a on trial (it has not been healthy on this machine yet), slot b empty. */
export async function diskOfImage(
  { image, slotB, slotSize, diskSize, work }: ImageDisk,
  outputs: readonly DiskOutput[],
  { tools, random, signal }: Pick<BuildContext, "tools" | "random" | "signal">,
): Promise<DiskPlan> {
  const { manifest, digest } = await readManifest(tools, image, signal);
  const other = slotB === undefined ? undefined : await readManifest(tools, slotB, signal);
  const imageSize = Math.max(manifest.sizes.image, other?.manifest.sizes.image ?? 0);
  const { partitions } = planDisk({ imageSize, slotSize, diskSize });
  return await buildDisk(
    tools,
    {
      images: { a: image, b: slotB, recovery: image },
      slotSize,
      diskSize,
      guids: newDiskGuids(random),
      ...newRecord({ a: digest, b: other?.digest }),
      loader: await buildGrub(tools, { biosPartition: partitions.bios, work, signal }),
      time: manifest.created,
    },
    outputs,
    work,
    signal,
  );
}
