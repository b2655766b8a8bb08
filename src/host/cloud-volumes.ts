/** Volumes that bring a machine config, known by their labels: cloud-init's NoCloud and config drives. They are read, not mounted: the kernel sees nothing of them. */
import { open, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "../core/error.ts";
import { KiB, type Bytes } from "../core/units.ts";
import { CLOUD_LABEL, isNoVolume } from "../layout/config-sources.ts";
import type { ReadAt } from "../layout/gpt.ts";
import { MACHINE_CONFIG_LIMIT } from "../layout/machine-config-place.ts";
import { isMissing, openVolume, type VolumeFile } from "../layout/volume.ts";
import { withReads } from "./sparse-reads.ts";

/** What an installer reads of a volume, or why that cannot be read. */
export type CloudVolume = { readonly device: string } & ({ readonly text: string } | { readonly problem: string });

/** A file of a volume, or why it cannot be read. */
export type VolumeContent = { readonly bytes: Uint8Array } | { readonly problem: string; readonly isMissing: boolean };
export interface LabelledVolume {
  readonly device: string;
  /** In lower case. */
  readonly label: string;
  /** By path, every one that was asked for. */
  readonly files: Readonly<Record<string, VolumeContent>>;
}
interface Devices {
  readonly sys: string;
  readonly dev: string;
}

const DEVICES: Devices = { sys: "/sys/class/block", dev: "/dev" };
const USER_DATA = "user-data";

/**
 * Names and sizes of everything that may be a disk, or a part of one, right now, by name.
 *
 * @param sys of tests
 */
export async function blockDevices(sys = DEVICES.sys): Promise<readonly { readonly name: string; readonly sectors: number }[]> {
  const names = (await readdir(sys).catch(() => [])).filter((name) => !isNoVolume(name)).toSorted();
  const sizes = names.map(async (name) => Number(await readFile(join(sys, name, "size"), "utf8").catch(() => "0")));
  return (await Promise.all(sizes)).map((sectors, index) => ({ name: names[index]!, sectors }));
}

/** Every NoCloud volume's `user-data`, by device. */
export async function findCloudVolumes(devices: Devices = DEVICES): Promise<readonly CloudVolume[]> {
  const volumes = await findVolumes({ [CLOUD_LABEL]: [USER_DATA] }, devices);
  return volumes.map(({ device, files }) => {
    const content = files[USER_DATA]!;
    return {
      device,
      ...("bytes" in content ? { text: Buffer.from(content.bytes).toString("utf8") } : { problem: content.problem }),
    };
  });
}

/**
 * Every volume with one of these labels, by device, with what was asked for. Disks that cannot be read are others' concern.
 *
 * @param wanted paths of files by label, in lower case; volumes have them in either case
 */
export async function findVolumes(
  wanted: Readonly<Record<string, readonly string[]>>,
  { sys, dev }: Devices = DEVICES,
): Promise<readonly LabelledVolume[]> {
  const found: LabelledVolume[] = [];
  for (const { name, sectors } of await blockDevices(sys)) {
    if (sectors === 0) continue;
    const volume = await readVolume(join(dev, name), wanted);
    if (volume) found.push(volume);
  }
  return found;
}

async function readVolume(
  device: string,
  wanted: Readonly<Record<string, readonly string[]>>,
): Promise<LabelledVolume | undefined> {
  const file = await open(device, "r").catch(() => undefined);
  if (!file) return undefined;
  try {
    const read = async (at: Bytes, length: Bytes): Promise<Uint8Array> => {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, at);
      return buffer.subarray(0, bytesRead);
    };
    const label = await withReads(read, (readAt) => openVolume(readAt)?.label.toLowerCase());
    const paths = label === undefined || !Object.hasOwn(wanted, label) ? undefined : wanted[label];
    if (label === undefined || !paths) return undefined;
    const files: Record<string, VolumeContent> = {};
    for (const path of paths) files[path] = await contentOf(read, path);
    return { device, label, files };
  } catch {
    return undefined;
  } finally {
    await file.close();
  }
}

async function contentOf(read: (at: Bytes, length: Bytes) => Promise<Uint8Array>, path: string): Promise<VolumeContent> {
  try {
    return { bytes: await withReads(read, (readAt) => wholeOf(readAt, path, openVolume(readAt)!.find(path))) };
  } catch (error) {
    return { problem: (error as Error).message, isMissing: error instanceof AppError && isMissing(error) };
  }
}

function wholeOf(read: ReadAt, path: string, { size, extents }: VolumeFile): Uint8Array {
  if (size > MACHINE_CONFIG_LIMIT)
    throw new AppError("MACHINE_CONFIG_INVALID", `its ${path} has more than ${MACHINE_CONFIG_LIMIT / KiB} KiB`);
  const bytes = Buffer.concat(extents.map((extent) => read(extent.start, extent.size)));
  if (bytes.length < size) throw new AppError("MACHINE_CONFIG_INVALID", `its ${path} ends too early`);
  return bytes;
}
