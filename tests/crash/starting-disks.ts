/** What is on a disk before it is overwritten. */
import { copyFile, mkdir, open, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeFat } from "../../src/build/fat-volume.ts";
import { KiB, MiB, type Bytes } from "../../src/core/units.ts";
import { openImage } from "../../src/host/image-file.ts";
import type { Tools } from "../../src/host/tools.ts";
import type { Extent } from "../../src/layout/disk.ts";
import { decodeGpt } from "../../src/layout/gpt.ts";
import type { SectorSize } from "../../src/layout/gpt.ts";
import type { Firmware } from "../../src/vm/options.ts";
import { noise } from "../support/small-image.ts";

export interface StartingDisk {
  readonly name: string;
  /** A raw disk; its size may be less than the disk's: the rest is zero. None for a blank disk. */
  readonly path?: string;
  readonly size: Bytes;
  readonly sectorSize: SectorSize;
  /** What boots it, and what is said on the console then. */
  readonly boots: readonly Firmware[];
  readonly says: string;
  /** Where its files are, apart from the tables that lead there. */
  readonly system: readonly Extent[];
}

const OTHER = "other";
const TIME = 1_790_000_000;

/** @param folder an existing one with `vmlinuz`, which says its command line; the caller removes it */
export interface ForeignOptions {
  readonly folder: string;
  readonly size: Bytes;
}

/**
 * Another system with an MBR, as they were made for long: the loader's core right behind the boot sector, and a partition that begins within the first MiB.
 * BIOS and UEFI boot it.
 */
export async function mbrDisk(tools: Tools, { folder, size }: ForeignOptions): Promise<StartingDisk> {
  const path = join(folder, "mbr.raw");
  const partition = { start: 512 * KiB, size: 32 * MiB };
  await blank(path, size);
  await sfdisk(tools, folder, path, [
    "label: dos",
    `start=${sectors(partition.start)}, size=${sectors(partition.size)}, type=ef`,
  ]);
  const core = await grubCore(tools, folder, "i386-pc", ["biosdisk", "part_msdos"], "(,msdos1)");
  const efi = await grubCore(tools, folder, "x86_64-efi", ["part_msdos"], "(,msdos1)");
  const boot = await readFile(join(tools.root, "usr/lib/grub/i386-pc/boot.img"));
  await put(path, boot.subarray(0, 440), 0);
  await put(path, core, 512);
  if (core.length > partition.start - 512) throw new Error(`GRUB's core has ${core.length} bytes`);
  await fat(tools, folder, { path, partition, efi });
  const system = [{ start: 512, size: core.length }, partition];
  return { name: "a disk with an MBR", path, size, sectorSize: 512, boots: ["bios", "uefi"], says: OTHER, system };
}

/** Another system with a GPT that leaves no room: the first partition begins right behind the table, the last one ends right before the backup. */
export async function gptDisk(tools: Tools, { folder, size }: ForeignOptions): Promise<StartingDisk> {
  const path = join(folder, "gpt.raw");
  const partition = { start: 40 * 512, size: 32 * MiB };
  const data = { start: 40 * MiB, size: Math.floor(size / 512) * 512 - 34 * 512 + 512 - 40 * MiB };
  await blank(path, size);
  await sfdisk(tools, folder, path, [
    ...["label: gpt", "first-lba: 34"],
    `start=${sectors(partition.start)}, size=${sectors(partition.size)}, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B`,
    `start=${sectors(data.start)}, size=${sectors(data.size)}`,
  ]);
  const efi = await grubCore(tools, folder, "x86_64-efi", ["part_gpt"], "(,gpt1)");
  await fat(tools, folder, { path, partition, efi });
  await put(path, noise(2 * MiB, "data"), data.start + data.size - 2 * MiB);
  return { name: "a disk with a GPT", path, size, sectorSize: 512, boots: ["uefi"], says: OTHER, system: [partition, data] };
}

/**
 * Another system's medium, as the large distributions make them and people write them to sticks: a boot sector with a program, a partition table for sectors of 512
 * bytes, and a CD whose catalogue UEFI takes from a disk as well. It is small: what is behind it is nothing.
 *
 * @param media the set "media"
 */
export async function hybridDisk(tools: Tools, media: Tools, { folder, size }: ForeignOptions): Promise<StartingDisk> {
  const work = join(folder, "hybrid");
  const root = join(work, "root");
  await mkdir(join(root, "pool"), { recursive: true });
  // A folder of more than a MiB: as on a large medium, the boot catalogue lies behind it, and not in the first MiB of the disk.
  for (let number = 0; number < 3000; number++) await writeFile(join(root, "pool", `${number}-${"x".repeat(120)}`), "");
  await writeFile(join(root, "core.img"), await grubCore(tools, folder, "i386-pc-eltorito", ["biosdisk", "iso9660"], ""));
  await copyFile(join(folder, "vmlinuz"), join(root, "vmlinuz"));
  await copyFile(join(tools.root, "usr/lib/grub/i386-pc/boot_hybrid.img"), join(work, "mbr.img"));
  const fatImage = join(work, "fat.img");
  await blank(fatImage, FAT_SIZE);
  const efi = await grubCore(tools, folder, "x86_64-efi", ["part_gpt", "part_msdos"], "");
  await fat(tools, folder, { path: fatImage, partition: { start: 0, size: FAT_SIZE }, efi });
  const argv = [
    ...["xorriso", "-as", "mkisofs", "-quiet", "-o", "medium.iso", "-R", "-V", "OTHER"],
    ...["-b", "core.img", "-c", "boot.cat", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", "--grub2-boot-info"],
    ...["--grub2-mbr", "mbr.img", "--protective-msdos-label", "--mbr-force-bootable", "-partition_offset", "16"],
    ...["-append_partition", "2", "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7", "fat.img", "-appended_part_as_gpt"],
    ...["-eltorito-alt-boot", "-e", "--interval:appended_partition_2:all::", "-no-emul-boot", "root"],
  ] as const;
  await media.run([...argv], { binds: [{ source: work, target: "/tmp/hybrid", writable: true }], cwd: "/tmp/hybrid" });
  const path = join(work, "medium.iso");
  if ((await stat(path)).size >= size) throw new Error("the medium is larger than the disk");
  using iso = openImage(path);
  const appended = decodeGpt(iso.read, iso.size, 512).partitions.find(({ number }) => number === 2)!;
  const system = [{ start: appended.start, size: appended.size }];
  return { name: "another system's medium", path, size, sectorSize: 512, boots: ["bios", "uefi"], says: OTHER, system };
}

const FAT_SIZE: Bytes = 32 * MiB;

const sectors = (bytes: Bytes): number => bytes / 512;

async function blank(path: string, size: Bytes): Promise<void> {
  await using file = await open(path, "w");
  await file.truncate(size);
}

async function put(path: string, bytes: Uint8Array, at: Bytes): Promise<void> {
  await using file = await open(path, "r+");
  await file.write(bytes, 0, bytes.length, at);
}

async function sfdisk(tools: Tools, folder: string, path: string, lines: readonly string[]): Promise<void> {
  const binds = [{ source: folder, writable: true }];
  await tools.run(["sfdisk", "--quiet", "--no-reread", path], { binds, stdin: `${lines.join("\n")}\n` });
}

/** A loader that starts the kernel on its partition. */
async function grubCore(
  tools: Tools,
  folder: string,
  format: "i386-pc" | "i386-pc-eltorito" | "x86_64-efi",
  modules: readonly string[],
  /** In the words of GRUB; none: what it was loaded from. */
  partition: string,
): Promise<Buffer> {
  const work = join(folder, "foreign");
  await mkdir(work, { recursive: true });
  await writeFile(join(work, "core.cfg"), `linux ($root)/vmlinuz lab.image=${OTHER}\nboot\n`);
  const inside = { binds: [{ source: work, writable: true }], cwd: work };
  const options = [`--format=${format}`, "--output=core", "--config=core.cfg", `--prefix=${partition}/grub`];
  await tools.run(["grub-mkimage", ...options, "fat", "linux", "boot", ...modules], inside);
  return await readFile(join(work, "core"));
}

async function fat(
  tools: Tools,
  folder: string,
  { path, partition, efi }: { readonly path: string; readonly partition: Extent; readonly efi: Uint8Array },
): Promise<void> {
  const files = [
    { path: "/EFI/BOOT/BOOTX64.EFI", data: efi },
    { path: "/vmlinuz", data: await readFile(join(folder, "vmlinuz")) },
  ];
  const volume = { file: path, offset: partition.start, size: partition.size, sectorSize: 512, label: "OTHER" } as const;
  await makeFat(tools, { ...volume, volumeId: "0badcafe", files, time: TIME }, join(folder, "foreign"));
}
