/** @portable The manifest of a system image: what it is, and what every byte that boots must be. Format: docs/formats/manifest.md. */
import * as z from "zod";
import { AppError } from "../core/error.ts";

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** What images are for, as the field names processors. */
export const ARCHITECTURE = "x86-64";

export const Manifest = z.object({
  /** A reader refuses a larger number; unknown keys of the same format are passed over. */
  format: z.literal(1),
  name: z.string(),
  version: z.string(),
  architecture: z.literal(ARCHITECTURE),
  /** Version of the kernel, as `uname -r` prints it. */
  kernel: z.string(),
  /** Seconds since 1970: the date of the packages, not of the build. */
  created: z.int().min(0),
  /** Of the dm-verity tree over the root partition, hex. */
  rootHash: Sha256,
  /** Salt of the dm-verity tree, hex: the tree can be made again from the root partition. */
  veritySalt: z.string().regex(/^[0-9a-f]*$/),
  /** Bytes of the partitions and of the whole image. Bytes of the image that no partition and no partition table covers are zero. */
  sizes: z.object({ image: z.int(), boot: z.int(), root: z.int(), rootVerity: z.int() }),
  /** SHA-256 of the files of the boot partition, by name. */
  boot: z.object({ vmlinuz: Sha256, initrd: Sha256, "image.cfg": Sha256 }),
  /** Keys of machine configs that the image takes, by the top level's; images of before there was a machine config have none. */
  machineConfig: z.record(z.string(), z.string()).optional(),
});
export type Manifest = z.output<typeof Manifest>;

/** @throws AppError `MANIFEST_INVALID` */
export function parseManifest(text: string, origin: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new AppError("MANIFEST_INVALID", `${origin}: the manifest is not JSON`, { cause });
  }
  const parsed = Manifest.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new AppError("MANIFEST_INVALID", `${origin}: ${issue?.path.join(".") || "(top level)"}: ${issue?.message}`, {
    cause: parsed.error,
  });
}

/** The bytes that are stored, and that signatures will cover. */
export const formatManifest = (manifest: Manifest): string => `${JSON.stringify(manifest, undefined, 2)}\n`;
