import { dirname, join } from "node:path";
import { KiB, MiB, type Bytes } from "../core/units.ts";
import { copyFile, makeFolder } from "../host/files.ts";
import { writeBytes } from "../host/partial-file.ts";
import type { Tools } from "../host/tools.ts";

/** Below this mkfs.vfat's usual clusters are too few for FAT16. */
const SMALLEST_FAT16: Bytes = 16 * MiB;

/** A file of a FAT volume; `path` starts at its root (`/EFI/BOOT/BOOTX64.EFI`). */
export type FatFile = { readonly path: string } & ({ readonly data: string | Uint8Array } | { readonly source: string });

export interface FatVolume {
  /** The file that holds the volume, and where in it. */
  readonly file: string;
  readonly offset: Bytes;
  readonly size: Bytes;
  /** Of the volume, whatever the disk has: 4096 is read on any disk, 512 only on disks with 512-byte sectors. */
  readonly sectorSize: 512 | 4096;
  /** At most 11 characters, upper case. */
  readonly label: string;
  /** 8 hexadecimal digits. */
  readonly volumeId: string;
  /** Written in this order, so that the same list gives the same bytes. */
  readonly files: readonly FatFile[];
  /** Seconds since 1970, of every file and of the volume. */
  readonly time: number;
}

/**
 * Makes a FAT volume inside a file that is zero there.
 *
 * @param work an existing folder for passing files; the caller removes it
 */
export async function makeFat(tools: Tools, volume: FatVolume, work: string, signal?: AbortSignal): Promise<void> {
  const { file, offset, size, sectorSize, label, volumeId, files, time } = volume;
  const stage = join(work, `fat-${volumeId}`);
  for (const entry of files) {
    const path = join(stage, entry.path);
    await makeFolder(dirname(path));
    if ("source" in entry) await copyFile(entry.source, path);
    else await writeBytes(path, entry.data);
  }
  const tool = async (...argv: [string, ...string[]]): Promise<void> => {
    await tools.run(argv, {
      binds: [
        { source: file, target: "/tmp/disk", writable: true },
        { source: stage, target: "/tmp/stage" },
      ],
      env: { SOURCE_DATE_EPOCH: String(time), TZ: "UTC", MTOOLS_SKIP_CHECK: "1" },
      signal,
    });
  };
  // mkfs.vfat would choose by the size of the whole file, and want a FAT32 for 32 MiB of a large image.
  const bits = size < SMALLEST_FAT16 ? "12" : "16";
  const form = ["-S", String(sectorSize), "-F", bits, ...(sectorSize === 4096 ? ["-s", "1"] : [])];
  const place = [`--offset=${offset / sectorSize}`, "/tmp/disk", String(size / KiB)];
  await tool("mkfs.vfat", ...form, "-n", label, "-i", volumeId, ...place);
  const image = ["-i", `/tmp/disk@@${offset}`];
  const folders = [...new Set(files.flatMap(({ path }) => ancestors(path)))].sort();
  if (folders.length > 0) await tool("mmd", ...image, ...folders.map((folder) => `::${folder}`));
  for (const folder of new Set(files.map(({ path }) => dirname(path)))) {
    const inside = files.filter(({ path }) => dirname(path) === folder).map(({ path }) => join("/tmp/stage", path));
    await tool("mcopy", ...image, ...inside, `::${folder}`);
  }
}

function ancestors(path: string): string[] {
  const parent = dirname(path);
  return parent === "/" ? [] : [...ancestors(parent), parent];
}
