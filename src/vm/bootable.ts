import { join } from "node:path";
import { AppError } from "../core/error.ts";
import type { Bytes } from "../core/units.ts";
import { concatenate } from "../host/concat.ts";
import { fileExists } from "../host/files.ts";
import { openImage, type ImageFile } from "../host/image-file.ts";
import type { Tools } from "../host/tools.ts";
import { findOnMedium, isMedium } from "../layout/medium.ts";
import { decodeGpt, type Gpt, type ReadAt } from "../layout/gpt.ts";
import { BOOT_FILES, SYSTEM_IMAGE_SECTOR } from "../layout/system-image.ts";

/** What a file that somebody wants to boot is, by its content. */
export type Bootable = "raw" | "qcow2" | "vmdk" | "vhdx" | "system-image" | "medium";

/** First bytes of what QEMU reads and is not plain. Source: QEMU's docs/interop/qcow2.rst; VMware "Virtual Disk Format 5.0"; [MS-VHDX] 2.2.1 */
const MAGICS: readonly (readonly [format: "qcow2" | "vmdk" | "vhdx", magic: string])[] = [
  ["qcow2", "QFI\xfb"],
  ["vmdk", "KDMV"],
  ["vhdx", "vhdxfile"],
];

/** @throws AppError `NOT_BOOTABLE` */
export function bootableKind({ read, size }: Pick<ImageFile, "read" | "size">): Bootable {
  const first = String.fromCharCode(...read(0, 8));
  const packed = MAGICS.find(([, magic]) => first.startsWith(magic));
  if (packed) return packed[0];
  if (isMedium(read)) return "medium";
  const gpt = tableOf(read, size);
  if (gpt?.partitions.some(({ name }) => name === "root-verity")) return "system-image";
  const signature = read(510, 2); // of a master boot record: a disk without a GPT may boot as well
  if (gpt || (signature[0] === 0x55 && signature[1] === 0xaa)) return "raw";
  throw new AppError(
    "NOT_BOOTABLE",
    "the file is neither a system image nor a disk (raw, qcow2, vmdk or vhdx), nor an ISO of petrify's",
    {
      hint: "Give what `petrify build` wrote: an image, a disk or an ISO.",
    },
  );
}

function tableOf(read: ReadAt, size: Bytes): Gpt | undefined {
  for (const sectorSize of [512, 4096] as const) {
    try {
      return decodeGpt(read, size, sectorSize);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
    }
  }
  return undefined;
}

/**
 * Copies the Linux kernel of a system image, or of slot a of a disk, into `folder`.
 *
 * @returns its path; nothing when there is none where petrify puts it
 */
export async function kernelOf(tools: Tools, path: string, folder: string, signal?: AbortSignal): Promise<string | undefined> {
  const kind = kindOf(path);
  if (kind === "medium") return await kernelOfMedium(path, folder, signal);
  if (kind === "raw" || kind === "system-image") return await kernelOfRaw(tools, path, folder, signal);
  const raw = join(folder, "converted.raw");
  const binds = [{ source: path }, { source: folder, writable: true }];
  await tools.run(["qemu-img", "convert", "-f", kind, "-O", "raw", path, raw], { binds, signal });
  return await kernelOfRaw(tools, raw, folder, signal);
}

async function kernelOfMedium(path: string, folder: string, signal?: AbortSignal): Promise<string> {
  using image = openImage(path);
  const { start, size } = findOnMedium(image.read, "kernel");
  const kernel = join(folder, BOOT_FILES.kernel);
  await concatenate(kernel, [{ file: path, start, size }], signal);
  return kernel;
}

function kindOf(path: string): Bootable {
  using image = openImage(path);
  return bootableKind(image);
}

async function kernelOfRaw(tools: Tools, path: string, folder: string, signal?: AbortSignal): Promise<string | undefined> {
  using image = openImage(path);
  const outer = tableOf(image.read, image.size);
  const state = outer?.partitions.find(({ name }) => name === "state");
  const base = state ? await slotStart(tools, path, state.start, signal) : 0;
  if (base === undefined) return undefined;
  const inner = state ? slotTable(image, base) : outer;
  const boot = inner?.partitions.find(({ name }) => name === "boot");
  if (!boot) return undefined;
  const binds = [{ source: path }, { source: folder, writable: true }];
  const source = ["-i", `${path}@@${base + boot.start}`, `::${BOOT_FILES.kernel}`];
  await tools.run(["mcopy", ...source, join(folder, "vmlinuz")], { binds, signal, okExit: [0, 1] });
  return (await fileExists(join(folder, "vmlinuz"))) ? join(folder, "vmlinuz") : undefined;
}

/** Slots are contiguous, so the first block of one says where it is. */
async function slotStart(tools: Tools, path: string, state: Bytes, signal?: AbortSignal): Promise<Bytes | undefined> {
  const command = ["debugfs", "-R", "bmap /a.img 0", `${path}?offset=${state}`] as const;
  const { stdout } = await tools.run([...command], { binds: [{ source: path }], signal, okExit: [0, 1] });
  const block = Number(stdout.trim());
  return Number.isSafeInteger(block) && block > 0 ? state + block * 4096 : undefined;
}

function slotTable(image: ImageFile, base: Bytes): Gpt | undefined {
  try {
    return decodeGpt((offset, length) => image.read(base + offset, length), image.size - base, SYSTEM_IMAGE_SECTOR);
  } catch (error) {
    if (error instanceof AppError) return undefined;
    throw error;
  }
}
