import { createHash } from "node:crypto";
import { join } from "node:path";
import { MiB, type Bytes } from "../core/units.ts";
import { copyFile, makeFolder, makePrivate, placeFile, setMode } from "../host/files.ts";
import { partialFile, writeBytes } from "../host/partial-file.ts";
import { stampFiles } from "../host/stamp-files.ts";
import { toolFailed, type Tools } from "../host/tools.ts";
import { planDisk } from "../layout/disk.ts";
import { MEDIUM_SUMS, mediumScript } from "../layout/grub-medium.ts";
import { guidFromHex, type Guid } from "../layout/guid.ts";
import { mediumName } from "../layout/medium-id.ts";
import {
  encodeMediumDescription,
  MEDIUM_FAT,
  MEDIUM_FILES,
  mediumCommandLine,
  type MediumDescription,
} from "../layout/medium.ts";
import { BOOT_FILES } from "../layout/system-image.ts";
import { formatManifest } from "../release/manifest.ts";
import { makeFat } from "./fat-volume.ts";
import { grubCores } from "./grub.ts";
import { ramPartsOfImage } from "./netboot.ts";

/** The loader for UEFI takes 1 MiB of it; the rest is room for a machine config. */
const FAT_SIZE: Bytes = 4 * MiB;
/** Any system shows such a partition to people, and firmware looks for the loader in any FAT. Source: UEFI 2.10, 13.3.1.1 */
const FAT_TYPE = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7";
const README = `Put a machine config here as "machine.yaml", and this medium installs as it says.
It goes before one that the medium was built with.
`;

export interface MediumInput {
  /** Path of the system image. */
  readonly image: string;
  readonly slotSize?: Bytes | undefined;
  /** Text of a machine config that goes onto the medium. */
  readonly config?: string | undefined;
}

/** Programs that make a medium. */
export interface MediumTools {
  readonly tools: Tools;
  /** The set "media". */
  readonly media: Tools;
}

/**
 * Makes an ISO that starts the image from memory: BIOS and UEFI, as a CD and as a disk. The same image and config give the same bytes.
 *
 * @param output in a work folder; only its owner may read it when there is a config, which may hold secrets
 * @param work an existing folder; the caller removes it
 * @throws AppError what {@link ramPartsOfImage} throws
 */
export async function mediumOfImage(
  { tools, media }: MediumTools,
  { image, slotSize, config }: MediumInput,
  output: string,
  work: string,
  signal?: AbortSignal,
): Promise<MediumDescription> {
  const parts = await ramPartsOfImage(tools, image, join(work, "medium.parts"), signal);
  const { manifest, memory } = parts;
  const { name, version, created: time } = manifest;
  const id = idOf(formatManifest(manifest));
  const { size: smallestDisk } = planDisk({ imageSize: manifest.sizes.image, slotSize });
  const description: MediumDescription = { format: 1, id, name, version, memory, smallestDisk };

  const folder = join(work, "medium");
  const root = join(folder, "root");
  await makeFolder(root);
  await makePrivate(folder);
  const at = (file: keyof typeof MEDIUM_FILES): string => join(root, MEDIUM_FILES[file]);
  for (const file of ["kernel", "initrd", "archive"] as const) await placeFile(parts[file], at(file));
  await writeBytes(at("description"), encodeMediumDescription(description));
  if (config !== undefined) await writeBytes(at("config"), config);

  const script = mediumScript({ name, version, cmdline: mediumCommandLine(parts.cmdline, id) });
  const sums = [BOOT_FILES.kernel, BOOT_FILES.initrd].map((file) => `${manifest.boot[file]}  ${file}\n`).join("");
  const files = { "grub.cfg": script, [MEDIUM_SUMS]: sums };
  const core = await grubCores(tools, { work: folder, files, prefix: "/grub", modules: ["iso9660"], signal });
  await writeBytes(at("loader"), await core("i386-pc-eltorito"));
  await copyFile(join(tools.root, "usr/lib/grub/i386-pc/boot_hybrid.img"), join(folder, "mbr.img"));
  {
    await using fat = await partialFile(join(folder, "fat.img"), FAT_SIZE);
    const loader = { path: "/EFI/BOOT/BOOTX64.EFI", data: await core("x86_64-efi") };
    const volume = { file: fat.path, offset: 0, size: FAT_SIZE, sectorSize: 512, label: MEDIUM_FAT.label } as const;
    const content = { volumeId: id.slice(0, 8), files: [loader, { path: "/README.TXT", data: README }], time };
    await makeFat(tools, { ...volume, ...content }, folder, signal);
    await fat.finish();
  }
  const secret = config === undefined ? {} : { [MEDIUM_FILES.config]: 0o600 };
  await stampFiles(root, { time, modes: secret });
  await makeIso(media, { folder, id, title: `${name} ${version}`, time }, signal);
  await setMode(join(folder, "medium.iso"), config === undefined ? 0o644 : 0o600);
  await placeFile(join(folder, "medium.iso"), output);
  return description;
}

/**
 * The same image gives the same id. A machine config has no part in it: the id is on the command line for everybody to see, and would be a way to
 * try passwords.
 */
const idOf = (manifest: string): string => createHash("sha256").update(`petrify medium ${manifest}`).digest("hex").slice(0, 32);

interface Iso {
  readonly folder: string;
  readonly id: string;
  readonly title: string;
  readonly time: number;
}

/** As the media of the large distributions are made. Source: xorrisofs(1), "Bootable ISO images"; GRUB 2.12, util/grub-mkrescue.c */
async function makeIso(media: Tools, { folder, id, title, time }: Iso, signal?: AbortSignal): Promise<void> {
  const moment = new Date(time * 1000).toISOString().replaceAll(/\D/g, "").slice(0, 16);
  const guid: Guid = guidFromHex(id);
  const number = String(MEDIUM_FAT.number);
  const argv: [string, ...string[]] = [
    "xorriso",
    ...["-as", "mkisofs", "-quiet", "-o", "medium.iso"],
    ...["-iso-level", "3", "-R", "-uid", "0", "-gid", "0", "-V", "PETRIFY_MEDIUM", "-volset", mediumName(id), "-A", title],
    ...[`--modification-date=${moment}`, "--gpt_disk_guid", guid],
    // A BIOS: as a CD, and as a disk.
    ...[
      "-b",
      MEDIUM_FILES.loader,
      "-c",
      "boot.cat",
      "-no-emul-boot",
      "-boot-load-size",
      "4",
      "-boot-info-table",
      "--grub2-boot-info",
    ],
    ...["--grub2-mbr", "mbr.img", "--protective-msdos-label", "--mbr-force-bootable", "-partition_offset", "16"],
    // UEFI: one FAT for both.
    ...["-append_partition", number, FAT_TYPE, "fat.img", "-appended_part_as_gpt"],
    ...["-eltorito-alt-boot", "-e", `--interval:appended_partition_${number}:all::`, "-no-emul-boot"],
    "root",
  ];
  const options = { binds: [{ source: folder, target: "/tmp/medium", writable: true }], cwd: "/tmp/medium", signal };
  await media.run(argv, { ...options, env: { SOURCE_DATE_EPOCH: String(time), TZ: "UTC" } }).catch((cause: unknown) => {
    signal?.throwIfAborted();
    throw toolFailed("xorriso", "the medium could not be made", cause);
  });
}
