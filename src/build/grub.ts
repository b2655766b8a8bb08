import { join } from "node:path";
import { makeFolder, readBytes, writeText } from "../host/files.ts";
import { toolFailed, type Tools } from "../host/tools.ts";
import type { Bytes } from "../core/units.ts";
import type { Patch } from "../layout/patch.ts";
import { grubScript } from "../layout/grub-script.ts";

/** Everything the script uses is inside GRUB's core: it loads nothing from the disk but the images. */
const MODULES = [
  ...["part_gpt", "fat", "loopback", "memdisk", "tar"],
  ...["normal", "configfile", "test", "true", "echo", "regexp", "sleep", "reboot", "probe"],
  ...["loadenv", "hashsum", "gcry_sha256", "gcry_crc"],
  ...["terminal", "serial", "linux", "boot"],
] as const;

/** Run by GRUB's core, which knows single commands only. */
const CORE_CONFIG = "normal (memdisk)/grub.cfg\n";

/** The loader for both firmwares. */
export interface Grub {
  /** For BIOS: the boot sector's code (bytes 0–440 of the disk), and the core in the bios partition. */
  readonly biosPatches: readonly Patch[];
  /** For UEFI: files of the efi partition. */
  readonly espFiles: readonly { readonly path: string; readonly data: Uint8Array }[];
}
export interface GrubOptions {
  /** Where the bios partition starts and how long it is. */
  readonly biosPartition: { readonly start: Bytes; readonly size: Bytes };
  /** An existing folder for passing files; the caller removes it. */
  readonly work: string;
  /** Default: the rules of boot-rules.ts. */
  readonly script?: string;
  readonly signal?: AbortSignal | undefined;
}

interface GrubCores {
  /** An existing folder for passing files; the caller removes it. */
  readonly work: string;
  /** Files of the memdisk; `grub.cfg` is the script. */
  readonly files: Readonly<Record<"grub.cfg", string> & Record<string, string>>;
  /** Where GRUB finds itself; a place without a disk is on the one that it was loaded from. */
  readonly prefix: string;
  /** Modules beside those of every core. */
  readonly modules: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes GRUB's cores, the script inside; the same tools tree and script give the same bytes.
 *
 * @returns a function that makes one, for a format of grub-mkimage
 * @throws AppError `TOOL_FAILED`
 */
export async function grubCores(
  tools: Tools,
  { work, files, prefix, modules, signal }: GrubCores,
): Promise<(format: "i386-pc" | "i386-pc-eltorito" | "x86_64-efi") => Promise<Uint8Array>> {
  const folder = join(work, "grub");
  await makeFolder(folder);
  for (const [name, text] of Object.entries(files)) await writeText(join(folder, name), text);
  await writeText(join(folder, "core.cfg"), CORE_CONFIG);
  const inside = async (...argv: [string, ...string[]]): Promise<void> => {
    const binds = [{ source: folder, target: "/tmp/grub", writable: true }];
    await tools.run(argv, { binds, cwd: "/tmp/grub", signal }).catch((cause: unknown) => {
      signal?.throwIfAborted();
      throw toolFailed(argv[0], "the boot loader could not be made", cause);
    });
  };
  await inside("grub-script-check", "grub.cfg");
  const flags = ["--format=ustar", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "--mode=0644"];
  await inside("tar", "--create", "--file=memdisk.tar", ...flags, ...Object.keys(files));
  return async (format) => {
    const name = `core.${format}`;
    const config = ["--config=core.cfg", "--memdisk=memdisk.tar", `--prefix=${prefix}`];
    const firmware = format === "x86_64-efi" ? [] : ["biosdisk"];
    await inside("grub-mkimage", `--format=${format}`, `--output=${name}`, ...config, ...MODULES, ...modules, ...firmware);
    return await readBytes(join(folder, name));
  };
}

/** The loader of a disk. @throws AppError `TOOL_FAILED` */
export async function buildGrub(
  tools: Tools,
  { biosPartition, work, script = grubScript(), signal }: GrubOptions,
): Promise<Grub> {
  // GRUB puts in the disk that it was loaded from: `root` becomes the efi partition of that disk.
  const disk = { work, files: { "grub.cfg": script }, prefix: "(,gpt2)/grub", modules: ["ext2"], signal };
  const image = await grubCores(tools, disk);
  const core = await image("i386-pc");
  if (core.length > biosPartition.size)
    throw new Error(`GRUB's core has ${core.length} bytes, the bios partition ${biosPartition.size}`);
  const boot = await readBytes(join(tools.root, "usr/lib/grub/i386-pc/boot.img"));
  return {
    biosPatches: [
      { offset: 0, data: bootSector(boot, biosPartition.start / SECTOR) },
      { offset: biosPartition.start, data: locatedCore(core, biosPartition.start / SECTOR) },
    ],
    espFiles: [{ path: "/EFI/BOOT/BOOTX64.EFI", data: await image("x86_64-efi") }],
  };
}

/** BIOS addresses in these, on every disk that it can boot from. */
const SECTOR: Bytes = 512;
const BOOT_CODE_SIZE: Bytes = 440;

/** What grub-bios-setup would write: where the core's first sector is. Source: GRUB 2.12, include/grub/i386/pc/boot.h. */
function bootSector(boot: Uint8Array, coreSector: number): Uint8Array {
  const code = Uint8Array.from(boot.subarray(0, BOOT_CODE_SIZE));
  const view = new DataView(code.buffer);
  view.setBigUint64(0x5c, BigInt(coreSector), true);
  code[0x64] = 0xff; // the drive that BIOS booted from
  code.set([0x90, 0x90], 0x66); // no correction of a wrong drive number
  return code;
}

/** The core's first sector loads the rest: it needs to know where that starts. */
function locatedCore(core: Uint8Array, coreSector: number): Uint8Array {
  const located = Uint8Array.from(core);
  new DataView(located.buffer).setBigUint64(500, BigInt(coreSector + 1), true);
  return located;
}
