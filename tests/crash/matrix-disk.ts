/** Small images that real GRUB and the real initrd boot, on a disk as `petrify build` makes it. */
import { randomBytes } from "node:crypto";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { agentRuntime } from "../../src/build/agent-runtime.ts";
import { diskOfImage } from "../../src/build/image-disk.ts";
import { earlyProgram } from "../../src/build/early-program.ts";
import { assembleSystemImage } from "../../src/build/system-image.ts";
import { formatVerity } from "../../src/build/verity.ts";
import { MiB, type Bytes } from "../../src/core/units.ts";
import { bundleForNode } from "../../src/host/bundle.ts";
import { openImage } from "../../src/host/image-file.ts";
import type { Tools } from "../../src/host/tools.ts";
import { imageCommandLine } from "../../src/layout/cmdline.ts";
import { MOUNT_POINTS } from "../../src/layout/fstab.ts";
import { decodeGpt, type Partition } from "../../src/layout/gpt.ts";
import { imageScript } from "../../src/layout/grub-script.ts";
import { encodeImageFacts, IMAGE_FACTS_PATH } from "../../src/layout/image-facts.ts";
import { SYSTEM_IMAGE_SECTOR, systemImageParts, type SystemImageParts } from "../../src/layout/system-image.ts";
import { createHash } from "node:crypto";
import { formatManifest, type Manifest } from "../../src/release/manifest.ts";
import { encodeTrustedKeys } from "../../src/release/trusted-keys.ts";
import { CACHE } from "../support/cli.ts";
import { noise } from "../support/small-image.ts";
import { makeMatrixRelease } from "./matrix-release.ts";
import { FOLDER as PERSISTENT } from "./lab/operations.ts";

/** Images by name: `old` is what a machine has, the others are what it may get. */
export const MATRIX_IMAGES = ["old", "new", "newer"] as const;
export type MatrixImageName = (typeof MATRIX_IMAGES)[number];

export interface MatrixImage {
  readonly name: MatrixImageName;
  readonly path: string;
  readonly bytes: Buffer;
  readonly manifest: Manifest;
  /** SHA-256 of the manifest, as the boot record holds it. */
  readonly digest: string;
  readonly parts: SystemImageParts<Partition>;
}
export interface MatrixParts {
  readonly images: Readonly<Record<MatrixImageName, MatrixImage>>;
  /** An EROFS with the lab's program and what that runs. */
  readonly lab: string;
  /** A disk with `old` in slot a, on trial, and in recovery; slot b empty. */
  readonly disk: string;
  /** Another one, with `new`: what that is overwritten with. */
  readonly newDisk: string;
  /** A third one, with `newer`: of a machine that has both of the others beside its own. */
  readonly newerDisk: string;
}

const LAB = join(import.meta.dirname, "lab");
const CREATED = 1_790_000_000;
export const SLOT_SIZE = 8 * MiB;

/** @param folder an existing one; the caller removes it */
export async function makeMatrixParts(tools: Tools, folder: string, signal?: AbortSignal): Promise<MatrixParts> {
  const path = (name: string): string => join(folder, name);
  const inside = { binds: [{ source: folder, writable: true }, { source: LAB }], cwd: folder, signal };
  await tools.run(["gcc", "-c", "-o", "kernel.o", join(LAB, "kernel.S")], inside);
  await tools.run(["ld", "-m", "elf_x86_64", "--oformat", "binary", "-Ttext", "0", "-o", "vmlinuz", "kernel.o"], inside);
  await tools.run(["gcc", "-static", "-O2", "-s", "-Wall", "-o", "init", join(LAB, "init.c")], inside);
  const images = {} as Record<MatrixImageName, MatrixImage>;
  for (const name of MATRIX_IMAGES) images[name] = await makeImage(tools, name, folder, signal);
  const diskOf = async ({ path: image }: MatrixImage, disk: string): Promise<string> => {
    const made = { image, slotSize: SLOT_SIZE, work: folder } as const;
    await diskOfImage(made, [{ format: "raw", path: disk }], { tools, random: randomBytes, signal });
    return disk;
  };
  return {
    images,
    lab: await makeLabDisk(tools, folder, images, signal),
    disk: await diskOf(images.old, path("disk.raw")),
    newDisk: await diskOf(images.new, path("new-disk.raw")),
    newerDisk: await diskOf(images.newer, path("newer-disk.raw")),
  };
}

async function makeImage(
  tools: Tools,
  name: MatrixImageName,
  folder: string,
  signal: AbortSignal | undefined,
): Promise<MatrixImage> {
  const path = (file: string): string => join(folder, `${name}.${file}`);
  const root = path("tree");
  for (const point of [...MOUNT_POINTS, "/sbin", "/usr/lib/petrify", PERSISTENT]) await mkdir(root + point, { recursive: true });
  await cp(join(folder, "init"), `${root}/sbin/init`);
  await writeFile(`${root}/content`, variant(300_000, "root", name));
  const facts = { name: "matrix", version: name, created: CREATED } as const;
  await writeFile(root + IMAGE_FACTS_PATH, encodeImageFacts({ ...facts, persistent: [PERSISTENT] }));
  const inside = { binds: [{ source: folder, writable: true }], signal };
  await tools.run(
    ["mkfs.erofs", "--quiet", "-T", String(CREATED), "-U", "clear", "--all-time", "--all-root", path("erofs"), root],
    inside,
  );
  const rootHash = await formatVerity(tools, path("erofs"), path("verity"), signal);
  await writeFile(path("initrd"), variant(200_000, "initrd", name));
  const manifest = await assembleSystemImage(
    tools,
    {
      facts: { ...facts, architecture: "x86-64", kernel: "6.12.0" },
      ...{ vmlinuz: join(folder, "vmlinuz"), initrd: path("initrd"), root: path("erofs"), verity: path("verity"), rootHash },
      imageCfg: imageScript(imageCommandLine({ rootHash, words: [`lab.image=${name}`] })),
    },
    path("img"),
    folder,
    signal,
  );
  const bytes = await readFile(path("img"));
  using image = openImage(path("img"));
  const gpt = decodeGpt(image.read, image.size, SYSTEM_IMAGE_SECTOR);
  const digest = createHash("sha256").update(formatManifest(manifest)).digest("hex");
  return { name, path: path("img"), bytes, manifest, digest, parts: systemImageParts(gpt) };
}

/** Noise that differs in every sector from that of every other image, by little: so a delta is small. */
function variant(length: Bytes, seed: string, name: MatrixImageName): Uint8Array {
  const bytes = Uint8Array.from(noise(length, seed));
  for (let at = 0; at < length; at += 256) bytes[at]! ^= 1 << MATRIX_IMAGES.indexOf(name);
  return bytes;
}

async function makeLabDisk(
  tools: Tools,
  folder: string,
  images: MatrixParts["images"],
  signal: AbortSignal | undefined,
): Promise<string> {
  const tree = join(folder, "lab");
  await mkdir(tree);
  const work = join(folder, "runtime-work");
  await mkdir(work);
  const runtime = await agentRuntime({ tools, cacheFolder: CACHE, signal }, work);
  await cp(await earlyProgram(tools, folder, signal), join(tree, "petrify-early"));
  await writeFile(join(tree, "lab.mjs"), await bundleForNode(join(LAB, "main.ts"), {}));
  await writeFile(join(tree, "image.mjs"), await bundleForNode(join(LAB, "../../../src/agent/image-main.ts"), {}));
  await cp(images.new.path, join(tree, "new.img"));
  const { trusted } = await makeMatrixRelease(join(tree, "release"), {
    from: images.old.path,
    image: images.new.path,
    created: CREATED + 1,
  });
  await writeFile(join(tree, "trusted-keys.json"), encodeTrustedKeys(trusted));
  const disk = join(folder, "lab.erofs");
  // The runtime is taken from where it is cached, by a bind in its place.
  await mkdir(join(tree, "runtime"));
  const binds = [
    { source: folder, writable: true },
    { source: runtime, target: join(tree, "runtime") },
  ];
  await tools.run(["mkfs.erofs", "--quiet", "--all-root", disk, tree], { binds, signal });
  return disk;
}
