import { createHash } from "node:crypto";
import { join } from "node:path";
import { makeFat, type FatFile } from "../../src/build/fat-volume.ts";
import { buildGrub } from "../../src/build/grub.ts";
import { KiB, MiB, type Bytes } from "../../src/core/units.ts";
import { partialFile } from "../../src/host/partial-file.ts";
import { writePatches } from "../../src/host/sparse.ts";
import type { Tools } from "../../src/host/tools.ts";
import type { ImageName } from "../../src/layout/boot-rules.ts";
import { IMAGE_FILES } from "../../src/layout/disk.ts";
import { encodeGpt, PARTITION_TYPES, type Partition } from "../../src/layout/gpt.ts";
import { imageScript } from "../../src/layout/grub-script.ts";
import type { Patch } from "../../src/layout/patch.ts";
import { BOOT_FILES } from "../../src/layout/system-image.ts";

/** Files of a boot partition, by name: `undefined` leaves one out. */
export type BootFiles = Readonly<Record<string, string | undefined>>;

const kernel = "a kernel ".repeat(500);
const sound: Readonly<Record<string, string>> = {
  [BOOT_FILES.kernel]: kernel,
  [BOOT_FILES.initrd]: "an initrd ".repeat(300),
  [BOOT_FILES.config]: imageScript("quiet panic=5"),
};
export const listOf = (files: Readonly<Record<string, string>>): string =>
  Object.entries(files)
    .filter(([name]) => name !== BOOT_FILES.sums)
    .map(([name, text]) => `${createHash("sha256").update(text).digest("hex")}  ${name}\n`)
    .join("");
export const soundFiles: Readonly<Record<string, string>> = { ...sound, [BOOT_FILES.sums]: listOf(sound) };

/** `text` with the lowest bit of one character flipped. */
export const flip = (text: string, at: number): string =>
  text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ 1) + text.slice(at + 1);

/** A partition of the test disk that stands for a disk's state or recovery partition: images by name, text for what is none. */
export type Store = Readonly<Partial<Record<ImageName, BootFiles | string>>>;

export interface TestDisk {
  /** GRUB's names of partitions: `hd0,gpt7`. */
  readonly records: readonly string[];
  readonly stores: readonly string[];
  /** Where each record partition starts. */
  readonly recordOffsets: readonly Bytes[];
}

interface Input {
  readonly records: readonly (readonly Patch[])[];
  readonly stores: readonly Store[];
  /** Files of the efi partition. */
  readonly files: readonly FatFile[];
  readonly script: (disk: TestDisk) => string;
}

/** A disk that boots GRUB with a script of the test's own, and holds what that script looks at. */
export async function makeTestDisk(
  tools: Tools,
  { records, stores, files, script }: Input,
  path: string,
  work: string,
): Promise<TestDisk> {
  const guid = (number: number): string => `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`;
  const partitions: Partition[] = [];
  let end: Bytes = MiB;
  const add = (name: string, type: string, size: Bytes): Partition => {
    const partition = { number: partitions.length + 1, name, type, guid: guid(partitions.length + 1), start: end, size };
    partitions.push(partition);
    end += size;
    return partition;
  };
  const bios = add("bios", PARTITION_TYPES.biosBoot, MiB);
  const efi = add("efi", PARTITION_TYPES.esp, 64 * MiB);
  const recordParts = records.map(() => add("record", PARTITION_TYPES.linux, MiB));
  const storeParts = stores.map(() => add("store", PARTITION_TYPES.linux, 16 * MiB));
  const named = ({ number }: Partition): string => `hd0,gpt${number}`;
  const disk: TestDisk = {
    records: recordParts.map(named),
    stores: storeParts.map(named),
    recordOffsets: recordParts.map(({ start }) => start),
  };
  const grub = await buildGrub(tools, { biosPartition: bios, work, script: script(disk) });

  await using file = await partialFile(path, end + MiB);
  await writePatches(file.path, [
    ...encodeGpt({ diskGuid: guid(0), size: end + MiB, partitions }, 512),
    ...grub.biosPatches,
    ...records.flatMap((patches, i) => patches.map(({ offset, data }) => ({ offset: recordParts[i]!.start + offset, data }))),
  ]);
  const fat = async (partition: Partition, contents: readonly FatFile[]): Promise<void> => {
    const { start, size, number } = partition;
    const volume = { file: file.path, offset: start, size, sectorSize: 512, label: "TEST", time: 0 } as const;
    await makeFat(tools, { ...volume, volumeId: String(number).padStart(8, "0"), files: contents }, work);
  };
  await fat(efi, [...grub.espFiles, ...files]);
  const images = new Map<string, string>();
  for (const [i, store] of stores.entries()) {
    const contents: FatFile[] = [];
    for (const [name, bootFiles] of Object.entries(store)) {
      if (typeof bootFiles === "string") {
        contents.push({ path: IMAGE_FILES[name as ImageName], data: bootFiles });
        continue;
      }
      const key = JSON.stringify(bootFiles);
      if (!images.has(key)) images.set(key, await makeImage(tools, bootFiles, join(work, `image${images.size}`), work));
      contents.push({ path: IMAGE_FILES[name as ImageName], source: images.get(key)! });
    }
    await fat(storeParts[i]!, contents);
  }
  await file.finish();
  return disk;
}

/** A system image as far as GRUB looks at it. */
async function makeImage(tools: Tools, files: BootFiles, path: string, work: string): Promise<string> {
  const boot: Partition = {
    ...{ number: 1, name: "boot", type: PARTITION_TYPES.xbootldr, guid: "00000000-0000-4000-8000-00000000ffff" },
    ...{ start: MiB, size: 256 * KiB },
  };
  await using file = await partialFile(path, 2 * MiB + boot.size);
  await writePatches(file.path, encodeGpt({ diskGuid: boot.guid, size: 2 * MiB + boot.size, partitions: [boot] }, 512));
  const contents = Object.entries(files).flatMap(([name, data]) => (data === undefined ? [] : [{ path: `/${name}`, data }]));
  const volume = { file: file.path, offset: boot.start, size: boot.size, sectorSize: 512, label: "BOOT", time: 0 } as const;
  await makeFat(
    tools,
    {
      ...volume,
      volumeId: path
        .slice(-4)
        .padStart(8, "0")
        .replaceAll(/[^0-9]/g, "f"),
      files: contents,
    },
    work,
  );
  await file.finish();
  return path;
}
