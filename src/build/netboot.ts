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
import { ipxeScript, NETBOOT_FILES } from "../layout/netboot.ts";
import { BOOT_FILES, SYSTEM_IMAGE_SECTOR, systemImageParts } from "../layout/system-image.ts";
import { readManifest } from "./read-manifest.ts";

export interface Netboot {
  /** Paths on the host. */
  readonly kernel: string;
  readonly initrd: string;
  /** The whole command line. */
  readonly cmdline: string;
  /** Of the image. */
  readonly size: Bytes;
}

/**
 * What boots an image from memory, without a disk: its kernel, its initrd with the image itself behind it, the command line, a script for iPXE.
 *
 * @param folder in a work folder; is made, with the files named in {@link NETBOOT_FILES}
 * @throws AppError `IMAGE_TOO_LARGE`, and what {@link readManifest} throws
 */
export async function netbootOfImage(tools: Tools, path: string, folder: string, signal?: AbortSignal): Promise<Netboot> {
  const { created } = await readManifest(tools, path, signal);
  using image = openImage(path);
  const { size } = image;
  if (size > CPIO_LARGEST_FILE) {
    throw new AppError("IMAGE_TOO_LARGE", `an image of ${formatSize(size)} cannot be part of an initrd`, {
      hint: `The largest is ${formatSize(CPIO_LARGEST_FILE)}: make the image smaller, or boot it from a disk.`,
    });
  }
  const parts = `${folder}.parts`;
  for (const each of [folder, parts]) await makeFolder(each);
  const { boot } = systemImageParts(decodeGpt(image.read, size, SYSTEM_IMAGE_SECTOR));
  await copyOut(tools, { path, boot: boot.start, folder: parts }, signal);
  const [part, at] = [(name: string): string => join(parts, name), (name: string): string => join(folder, name)];

  await placeFile(part(BOOT_FILES.kernel), at(NETBOOT_FILES.kernel));
  // The kernel unpacks one archive after the other; each starts at a multiple of 4 bytes.
  const own = part(BOOT_FILES.initrd);
  const padding = new Uint8Array(alignUp(await fileSize(own), 4) - (await fileSize(own)));
  const { before, after } = encodeCpioAround(RAM_IMAGE.slice(1), size, created);
  await concatenate(at(NETBOOT_FILES.initrd), [{ file: own }, padding, before, { file: path }, after], signal);

  const cmdline = `${commandLineOfScript(await readText(part(BOOT_FILES.config)))} ${ramCommandLine(size)}`;
  await writeBytes(at(NETBOOT_FILES.cmdline), `${cmdline}\n`);
  await writeBytes(at(NETBOOT_FILES.script), ipxeScript(cmdline));
  return { kernel: at(NETBOOT_FILES.kernel), initrd: at(NETBOOT_FILES.initrd), cmdline, size };
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
