import { createHash } from "node:crypto";
import { mkdtempDisposable, open, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assembleSystemImage } from "../../src/build/system-image.ts";
import { formatVerity } from "../../src/build/verity.ts";
import type { Bytes } from "../../src/core/units.ts";
import type { Tools } from "../../src/host/tools.ts";
import { decodeGpt, type Partition } from "../../src/layout/gpt.ts";
import { SYSTEM_IMAGE_SECTOR, systemImageParts, type SystemImageParts } from "../../src/layout/system-image.ts";
import { formatManifest, type Manifest } from "../../src/release/manifest.ts";

/** Bytes that do not compress and are the same in every run. */
export const noise = (length: Bytes, seed: string): Uint8Array =>
  Buffer.concat(
    Array.from({ length: Math.ceil(length / 32) }, (_, i) => createHash("sha256").update(`${seed} ${i}`).digest()),
  ).subarray(0, length);

export interface SmallImage {
  readonly bytes: Buffer;
  readonly parts: SystemImageParts<Partition>;
  readonly manifest: Manifest;
  /** SHA-256 of the manifest, as the boot record holds it. */
  readonly digest: string;
}

export const smallBootFiles = {
  vmlinuz: noise(300_001, "kernel"),
  initrd: noise(1_200_000, "initrd"),
  "image.cfg": Buffer.from('set petrify_cmdline="petrify.roothash=… panic=5"\n'),
} as const;

/** A real system image with boot files of noise, made in a moment. The root has no file system: noise in its first, last and some other blocks. */
export async function smallImage(tools: Tools, dataBlocks: number): Promise<SmallImage> {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-small-"));
  const path = (name: string): string => join(dir.path, name);
  for (const name of ["vmlinuz", "initrd"] as const) await writeFile(path(name), smallBootFiles[name]);
  {
    await using root = await open(path("root"), "w");
    await root.truncate(dataBlocks * 4096);
    for (const block of new Set([0, 1, dataBlocks >> 1, dataBlocks - 1])) {
      await root.write(noise(4096, `block ${block}`), 0, 4096, block * 4096);
    }
  }
  const rootHash = await formatVerity(tools, path("root"), path("verity"));
  const facts = { name: "test", version: "1", architecture: "x86-64", kernel: "6.12.0", created: 1_700_000_000 } as const;
  const manifest = await assembleSystemImage(
    tools,
    {
      ...{ facts, rootHash, imageCfg: smallBootFiles["image.cfg"].toString() },
      ...{ vmlinuz: path("vmlinuz"), initrd: path("initrd"), root: path("root"), verity: path("verity") },
    },
    path("image"),
    dir.path,
  );
  const bytes = await readFile(path("image"));
  const gpt = decodeGpt((offset, length) => bytes.subarray(offset, offset + length), bytes.length, SYSTEM_IMAGE_SECTOR);
  const digest = createHash("sha256").update(formatManifest(manifest)).digest("hex");
  return { bytes, parts: systemImageParts(gpt), manifest, digest };
}
