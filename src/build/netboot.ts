import { join } from "node:path";
import { AppError } from "../core/error.ts";
import { alignUp, formatSize, type Bytes } from "../core/units.ts";
import { concatenate } from "../host/concat.ts";
import { fileSize, makeFolder, placeFile, readText } from "../host/files.ts";
import { openImage } from "../host/image-file.ts";
import { toolFailed, type Tools } from "../host/tools.ts";
import { writeBytes } from "../host/partial-file.ts";
import { RAM_IMAGE, ramCommandLine } from "../layout/cmdline.ts";
import { CPIO_LARGEST_FILE, encodeCpioAround } from "../layout/cpio.ts";
import { decodeGpt } from "../layout/gpt.ts";
import { commandLineOfScript } from "../layout/grub-script.ts";
import { ipxeScript } from "../layout/ipxe.ts";
import { unpacksRamImage } from "../layout/kernel-features.ts";
import { memoryForImage, NETBOOT_FILES } from "../layout/netboot.ts";
import { BOOT_FILES, SYSTEM_IMAGE_SECTOR, systemImageParts } from "../layout/system-image.ts";
import type { Manifest } from "../release/manifest.ts";
import type { Kernel } from "./kernel.ts";
import { readManifest } from "./read-manifest.ts";

/**
 * An archive that a kernel does not know is passed over without a word: the machine would say that it has no image.
 *
 * @throws AppError `KERNEL_UNFIT`; where nobody can tell nothing is refused
 */
export function refuseNoRam({ version, config }: Pick<Kernel, "version" | "config">): void {
  if (unpacksRamImage(config) !== false) return;
  throw new AppError(
    "KERNEL_UNFIT",
    `the kernel ${version} cannot boot from memory: it has no zstd for initrds (CONFIG_RD_ZSTD)`,
    {
      hint: "Leave `iso` and `netboot` out of --output, or choose a kernel that has it, by `kernel.flavour` or `kernel.from`.",
    },
  );
}

/** What boots an image from memory, in files of its own. */
export interface RamParts {
  /** Paths on the host. */
  readonly kernel: string;
  /** The image's initrd as it is, and behind it, from a multiple of 4 bytes on: */
  readonly initrd: string;
  /** the archive with the image itself, compressed. */
  readonly archive: string;
  /** The whole command line. */
  readonly cmdline: string;
  /** Memory that the machine needs. */
  readonly memory: Bytes;
  readonly manifest: Manifest;
}
export interface Netboot extends Pick<RamParts, "kernel" | "initrd" | "cmdline" | "memory"> {}

/** Of the archive. Higher levels of zstd take many times as long for some percent; windows up to 128 MiB are unpacked by every kernel. */
const LEVEL = 9;

/**
 * Takes an image apart for a boot from memory, without a disk. The same image gives the same bytes.
 *
 * @param folder in a work folder; is made
 * @throws AppError `IMAGE_TOO_LARGE`, and what {@link readManifest} throws
 */
export async function ramPartsOfImage(tools: Tools, path: string, folder: string, signal?: AbortSignal): Promise<RamParts> {
  const { manifest } = await readManifest(tools, path, signal);
  using image = openImage(path);
  const { size } = image;
  if (size > CPIO_LARGEST_FILE) {
    throw new AppError("IMAGE_TOO_LARGE", `an image of ${formatSize(size)} cannot be part of an initrd`, {
      hint: `The largest is ${formatSize(CPIO_LARGEST_FILE)}: make the image smaller, or boot it from a disk.`,
    });
  }
  await makeFolder(folder);
  const { boot } = systemImageParts(decodeGpt(image.read, size, SYSTEM_IMAGE_SECTOR));
  await copyOut(tools, { path, boot: boot.start, folder }, signal);
  const at = (name: string): string => join(folder, name);

  const plain = at("image.cpio");
  const { before, after } = encodeCpioAround(RAM_IMAGE.slice(1), size, manifest.created);
  await concatenate(plain, [before, { file: path }, after], signal);
  const archive = `${plain}.zst`;
  // Any number of threads gives the same bytes.
  await tools
    .run(["zstd", "--quiet", "--threads=0", `-${LEVEL}`, "--rm", plain, "-o", archive], {
      binds: [{ source: folder, writable: true }],
      signal,
    })
    .catch((cause: unknown) => {
      signal?.throwIfAborted();
      throw toolFailed("zstd", `${path} cannot be compressed`, cause);
    });
  const memory = memoryForImage(size, await fileSize(archive));
  const words = commandLineOfScript(await readText(at(BOOT_FILES.config)));
  const cmdline = `${words} ${ramCommandLine({ size, memory })}`;
  return { kernel: at(BOOT_FILES.kernel), initrd: at(BOOT_FILES.initrd), archive, cmdline, memory, manifest };
}

/**
 * What boots an image from memory: its kernel, its initrd with the image itself behind it, the command line, a script for iPXE.
 *
 * @param folder in a work folder; is made, with the files named in {@link NETBOOT_FILES}
 * @throws AppError what {@link ramPartsOfImage} throws
 */
export async function netbootOfImage(tools: Tools, path: string, folder: string, signal?: AbortSignal): Promise<Netboot> {
  await makeFolder(folder);
  const { kernel, initrd: own, archive, cmdline, memory } = await ramPartsOfImage(tools, path, `${folder}.parts`, signal);
  const at = (name: string): string => join(folder, name);
  await placeFile(kernel, at(NETBOOT_FILES.kernel));
  // The kernel unpacks one archive after the other; each starts at a multiple of 4 bytes, one that a boot loader puts behind these too.
  const parts = [];
  for (const file of [own, archive]) {
    const size = await fileSize(file);
    parts.push({ file }, new Uint8Array(alignUp(size, 4) - size));
  }
  await concatenate(at(NETBOOT_FILES.initrd), parts, signal);
  await writeBytes(at(NETBOOT_FILES.cmdline), `${cmdline}\n`);
  await writeBytes(at(NETBOOT_FILES.script), ipxeScript(cmdline));
  return { kernel: at(NETBOOT_FILES.kernel), initrd: at(NETBOOT_FILES.initrd), cmdline, memory };
}

async function copyOut(
  tools: Tools,
  { path, boot, folder }: { readonly path: string; readonly boot: Bytes; readonly folder: string },
  signal?: AbortSignal,
): Promise<void> {
  const sources = [BOOT_FILES.kernel, BOOT_FILES.initrd, BOOT_FILES.config].map((name) => `::${name}`);
  const argv = ["mcopy", "-n", "-i", `${path}@@${boot}`, ...sources, folder] as const;
  await tools.run(argv, { binds: [{ source: path }, { source: folder, writable: true }], signal }).catch((cause: unknown) => {
    signal?.throwIfAborted();
    throw toolFailed("mcopy", `${path}: the boot files could not be read`, cause);
  });
}
