import { createHash } from "node:crypto";
import { join } from "node:path";
import { alignUp, KiB, MiB, type Bytes } from "../core/units.ts";
import { fileSize, sha256File } from "../host/files.ts";
import { partialFile } from "../host/partial-file.ts";
import { sha256 } from "../host/sha256.ts";
import { writingTo } from "../host/disk-full.ts";
import { copySparse, writePatches } from "../host/sparse.ts";
import type { Tools } from "../host/tools.ts";
import { encodeGpt } from "../layout/gpt.ts";
import {
  BOOT_FILES,
  planSystemImage,
  systemImageIds,
  systemImageParts,
  SYSTEM_IMAGE_SECTOR,
  type SystemImageParts,
} from "../layout/system-image.ts";
import { formatManifest, type Manifest } from "../release/manifest.ts";
import { makeFat, type FatFile } from "./fat-volume.ts";
import { VERITY_SALT } from "./verity.ts";

export interface SystemImageInput {
  /** Facts that the manifest carries as they are; `created` is also the time of every file. */
  readonly facts: Pick<Manifest, "name" | "version" | "architecture" | "kernel" | "created" | "machineConfig">;
  /** Paths of files. */
  readonly vmlinuz: string;
  readonly initrd: string;
  /** Text of the script that gives GRUB the image's part of the kernel command line. */
  readonly imageCfg: string;
  /** Paths of the root file system and of its hash tree, and what {@link formatVerity} said. */
  readonly root: string;
  readonly verity: string;
  readonly rootHash: string;
}

/**
 * Puts the parts together to one image, byte for byte the same for the same parts.
 *
 * @param work an existing folder; the caller removes it
 * @returns the manifest, as it stands in the image
 * @throws AppError `DISK_FULL`; nothing is left of the output then, nor after an abort
 */
export async function assembleSystemImage(
  tools: Tools,
  { facts, vmlinuz, initrd, imageCfg, root, verity, rootHash }: SystemImageInput,
  output: string,
  work: string,
  signal?: AbortSignal,
): Promise<Manifest> {
  const boot = {
    [BOOT_FILES.kernel]: await sha256File(vmlinuz),
    [BOOT_FILES.initrd]: await sha256File(initrd),
    [BOOT_FILES.config]: createHash("sha256").update(imageCfg).digest("hex"),
  };
  const sizes: SystemImageParts<Bytes> = {
    boot: fatSize([await fileSize(vmlinuz), await fileSize(initrd)]),
    root: await fileSize(root),
    verity: await fileSize(verity),
  };
  const ids = systemImageIds(rootHash, sha256);
  const gpt = planSystemImage(sizes, rootHash, ids);
  const parts = systemImageParts(gpt, rootHash);
  const manifest: Manifest = {
    format: 1,
    ...facts,
    rootHash,
    veritySalt: VERITY_SALT,
    sizes: { image: gpt.size, boot: parts.boot.size, root: parts.root.size, rootVerity: parts.verity.size },
    boot,
  };
  const files: FatFile[] = [
    { path: `/${BOOT_FILES.kernel}`, source: vmlinuz },
    { path: `/${BOOT_FILES.initrd}`, source: initrd },
    { path: `/${BOOT_FILES.config}`, data: imageCfg },
    {
      path: `/${BOOT_FILES.sums}`,
      data: Object.entries(boot)
        .map(([name, sum]) => `${sum}  ${name}\n`)
        .join(""),
    },
    { path: `/${BOOT_FILES.manifest}`, data: formatManifest(manifest) },
  ];
  await writingTo(output, async () => {
    await using image = await partialFile(output, gpt.size);
    await writePatches(image.path, encodeGpt(gpt, SYSTEM_IMAGE_SECTOR));
    const volume = {
      file: image.path,
      offset: parts.boot.start,
      size: parts.boot.size,
      sectorSize: SYSTEM_IMAGE_SECTOR,
    } as const;
    const names = { label: "BOOT", volumeId: ids.volume, time: facts.created };
    await makeFat(tools, { ...volume, ...names, files }, join(work, "boot"), signal);
    await copySparse(root, image.path, [{ from: 0, length: sizes.root, to: parts.root.start }], signal);
    await copySparse(verity, image.path, [{ from: 0, length: sizes.verity, to: parts.verity.start }], signal);
    signal?.throwIfAborted();
    await image.finish();
  });
  return manifest;
}

/** Of a FAT for these files and a few small ones: each file's last cluster, the tables, the root folder. */
function fatSize(files: readonly Bytes[]): Bytes {
  const clusters = files.reduce((sum, size) => sum + alignUp(size, 32 * KiB), 0);
  return alignUp(clusters * 1.01 + 256 * KiB, MiB);
}
