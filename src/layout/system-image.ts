/** @portable The system image (DDI): one GPT file of boot, root and root-verity. Source: UAPI.3; docs/formats/system-image.md. */
import { hex, type Sha256 } from "../core/digest.ts";
import { AppError } from "../core/error.ts";
import { alignUp, KiB, MiB, type Bytes } from "../core/units.ts";
import { GPT_RESERVED, PARTITION_TYPES, type Gpt, type Partition } from "./gpt.ts";
import { guidFromHex, type Guid } from "./guid.ts";

/** A system image is a table for this sector size, whatever the disk that it is stored on has. */
export const SYSTEM_IMAGE_SECTOR = 512;
/** Files of the boot partition, as GRUB's script, the builder and the agent name them. */
export const BOOT_FILES = {
  kernel: "vmlinuz",
  initrd: "initrd",
  config: "image.cfg",
  sums: "SHA256SUMS",
  manifest: "manifest.json",
} as const;

/** What a reproducible image has in place of random numbers: digests of its root hash. */
export interface SystemImageIds {
  /** Of the partition table. */
  readonly disk: Guid;
  /** Of the boot partition. */
  readonly boot: Guid;
  /** Of the FAT in it, 8 hexadecimal digits. */
  readonly volume: string;
}

/** @param rootHash hexadecimal digits */
export function systemImageIds(rootHash: string, sha256: Sha256): SystemImageIds {
  const derive = (what: string): string => hex(sha256.digest(new TextEncoder().encode(`petrify ${what} ${rootHash}`)));
  const guid = (what: string): Guid => guidFromHex(derive(what).slice(0, 32));
  return { disk: guid("disk"), boot: guid("boot"), volume: derive("volume").slice(0, 8) };
}

export interface SystemImageParts<T> {
  readonly boot: T;
  readonly root: T;
  readonly verity: T;
}

/**
 * The table of an image with parts of these sizes.
 *
 * @param rootHash 64 hexadecimal digits; the root's GUID is its first half and the hash tree's GUID its second, so that whoever knows
 *   the hash finds both (Discoverable Partitions Specification)
 * @param guids of the table and the boot partition
 */
export function planSystemImage(
  sizes: SystemImageParts<Bytes>,
  rootHash: string,
  guids: Pick<SystemImageIds, "disk" | "boot">,
): Gpt {
  let end = GPT_RESERVED;
  const place = (number: number, name: string, type: Guid, guid: Guid, bytes: Bytes, attributes?: number[]): Partition => {
    const start = alignUp(end, MiB);
    const size = alignUp(bytes, 4 * KiB); // whole blocks of dm-verity and of disks with 4096-byte sectors
    end = start + size;
    return { number, name, type, guid, start, size, ...(attributes ? { attributes } : {}) };
  };
  const partitions = [
    place(1, "boot", PARTITION_TYPES.xbootldr, guids.boot, sizes.boot),
    place(2, "root", PARTITION_TYPES.rootX86, guidFromHex(rootHash.slice(0, 32)), sizes.root, [60]),
    place(3, "root-verity", PARTITION_TYPES.rootX86Verity, guidFromHex(rootHash.slice(32)), sizes.verity, [60]),
  ];
  return { diskGuid: guids.disk, size: alignUp(end, MiB) + GPT_RESERVED, partitions };
}

/**
 * The three parts of a decoded image.
 *
 * @throws AppError `SYSTEM_IMAGE_INVALID` when one is missing, or when the root and its hash tree are not those of `rootHash` (if given)
 */
export function systemImageParts({ partitions }: Gpt, rootHash?: string): SystemImageParts<Partition> {
  const find = (type: Guid, name: string): Partition => {
    const [found, ...more] = partitions.filter((partition) => partition.type === type);
    if (!found || more.length > 0) throw invalid(`it has ${found ? "more than one" : "no"} ${name} partition`);
    return found;
  };
  const parts = {
    boot: find(PARTITION_TYPES.xbootldr, "boot"),
    root: find(PARTITION_TYPES.rootX86, "root"),
    verity: find(PARTITION_TYPES.rootX86Verity, "root-verity"),
  };
  if (rootHash !== undefined) {
    if (parts.root.guid !== guidFromHex(rootHash.slice(0, 32)))
      throw invalid("its root partition is not the one of the root hash");
    if (parts.verity.guid !== guidFromHex(rootHash.slice(32))) throw invalid("its hash tree is not the one of the root hash");
  }
  return parts;
}

const invalid = (why: string): AppError => new AppError("SYSTEM_IMAGE_INVALID", `this is not a whole system image: ${why}`);
