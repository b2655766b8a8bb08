/** @portable The root file system out of an image file, every block of it checked against the root hash. */
import type { Bytes } from "../core/units.ts";
import { decodeGpt, type Gpt } from "../layout/gpt.ts";
import { SYSTEM_IMAGE_SECTOR, systemImageParts } from "../layout/system-image.ts";
import { decodeVeritySuperblock, VERITY_SUPERBLOCK_SIZE, verityTable, type VeritySuperblock } from "../layout/verity.ts";
import { createVerityDevice } from "./device-mapper.ts";
import { attachLoop } from "./loop-device.ts";
import { MOUNT_FLAGS, type Sys } from "./sys.ts";

const NAME = "petrify-root";
/** A damaged block restarts the machine. */
const ON_DAMAGE = "restart_on_corruption";

export interface VerityRoot {
  /** Path of the system image. */
  readonly image: string;
  readonly rootHash: string;
  /** Of the verity target, besides {@link ON_DAMAGE}. */
  readonly options: readonly string[];
  /** Folder to mount it on. */
  readonly target: string;
}

export function mountVerityRoot(sys: Sys, { image, rootHash, options, target }: VerityRoot): void {
  const { parts, superblock } = readImage(sys, image, rootHash);
  const data = attachLoop(sys, image, parts.root);
  const hash = attachLoop(sys, image, parts.verity);
  const device = createVerityDevice(sys, {
    name: NAME,
    uuid: `CRYPT-VERITY-${superblock.uuid}-${NAME}`,
    table: verityTable(superblock, rootHash, { data, hash }, [ON_DAMAGE, ...options]),
  });
  sys.mount(device, target, { type: "erofs", flags: MOUNT_FLAGS.readOnly });
}

function readImage(
  sys: Sys,
  image: string,
  rootHash: string,
): { readonly parts: ReturnType<typeof systemImageParts>; readonly superblock: VeritySuperblock } {
  const file = sys.open(image, "read");
  try {
    const read = (offset: Bytes, length: Bytes): Uint8Array => sys.readAt(file, offset, length);
    const gpt: Gpt = decodeGpt(read, sys.status(image).size, SYSTEM_IMAGE_SECTOR);
    const parts = systemImageParts(gpt, rootHash);
    return { parts, superblock: decodeVeritySuperblock(read(parts.verity.start, VERITY_SUPERBLOCK_SIZE)) };
  } finally {
    sys.close(file);
  }
}
