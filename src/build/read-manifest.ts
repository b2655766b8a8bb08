import { createHash } from "node:crypto";
import { openImage } from "../host/image-file.ts";
import { toolFailed, type Tools } from "../host/tools.ts";
import { decodeGpt } from "../layout/gpt.ts";
import { BOOT_FILES, SYSTEM_IMAGE_SECTOR, systemImageParts } from "../layout/system-image.ts";
import { parseManifest, type Manifest } from "../release/manifest.ts";

/** A manifest as an image has it. */
export interface StoredManifest {
  readonly manifest: Manifest;
  /** SHA-256 of its bytes, which image it is: formatted anew they may have another order, and lack what this version does not know. */
  readonly digest: string;
}

/**
 * The manifest that a system image carries.
 *
 * @throws AppError `GPT_DAMAGED`, `SYSTEM_IMAGE_INVALID`, `MANIFEST_INVALID`, `TOOL_FAILED`; NodeJS.ErrnoException when `path` cannot be read
 */
export async function readManifest(tools: Tools, path: string, signal?: AbortSignal): Promise<StoredManifest> {
  using image = openImage(path);
  const { boot } = systemImageParts(decodeGpt(image.read, image.size, SYSTEM_IMAGE_SECTOR));
  const argv = ["mtype", "-i", `${path}@@${boot.start}`, `::${BOOT_FILES.manifest}`] as const;
  const { stdout } = await tools.run(argv, { binds: [{ source: path }], signal }).catch((cause: unknown) => {
    signal?.throwIfAborted();
    throw toolFailed("mtype", `${path}: the manifest could not be read`, cause);
  });
  return { manifest: parseManifest(stdout, path), digest: createHash("sha256").update(stdout).digest("hex") };
}
