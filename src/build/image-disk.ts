import { createHash } from "node:crypto";
import type { Bytes } from "../core/units.ts";
import { planDisk, DISK_PARTITIONS, type DiskGuids, type DiskPlan } from "../layout/disk.ts";
import { guidFromBytes } from "../layout/guid.ts";
import { firstRecord, type BootRecord } from "../layout/record.ts";
import { FULL_TRIES } from "../layout/slots.ts";
import { encodeTries } from "../layout/tries.ts";
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
  const state = slotB ? "proven" : "trial";
  const record: BootRecord = {
    active: "a",
    slots: {
      a: { state, digest: digestOf(manifest) },
      b: slotB ? { state, digest: digestOf(slotB.manifest) } : { state: "empty" },
    },
    recovery: 1,
  };
  return await buildDisk(
    tools,
    {
      images: { a: image, b: slotB?.image, recovery: image },
      slotSize,
      diskSize,
      guids: freshGuids(random),
      record: firstRecord(record),
      tries: encodeTries({ a: FULL_TRIES[state], b: FULL_TRIES[record.slots.b.state] }),
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

/** Source: RFC 9562, section 5.4, version 4. */
function freshGuids(random: (bytes: number) => Uint8Array): DiskGuids {
  const fresh = (): string => {
    const bytes = Uint8Array.from(random(16));
    bytes[7] = (bytes[7]! & 0x0f) | 0x40; // the high byte of the third group, which a GPT stores last
    bytes[8] = (bytes[8]! & 0x3f) | 0x80;
    return guidFromBytes(bytes);
  };
  return Object.fromEntries(["disk", ...DISK_PARTITIONS].map((name) => [name, fresh()])) as unknown as DiskGuids;
}
