/** Volumes labelled `cidata`, as cloud-init's NoCloud has them. They are read, not mounted: the kernel sees nothing of them. */
import { open, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "../core/error.ts";
import { KiB, type Bytes } from "../core/units.ts";
import { fatLabel, findInFat } from "../layout/fat.ts";
import type { ReadAt } from "../layout/gpt.ts";
import { MACHINE_CONFIG_LIMIT } from "../layout/machine-config-place.ts";
import { findInIso, isoLabel } from "../layout/iso9660.ts";
import { withReads } from "./sparse-reads.ts";

/** What a volume says, or why that cannot be read. */
export type CloudVolume = { readonly device: string } & ({ readonly text: string } | { readonly problem: string });

/** Source: cloud-init, "NoCloud": either case */
const LABEL = "cidata";
const FILE = "user-data";
/** Shown files, memory, floppies, whose drives take seconds to say that they are empty. */
const NEVER = /^(?:loop|ram|zram|fd|dm-|md)\d/;

/**
 * Names and sizes of everything that may be a disk, or a part of one, right now, by name.
 *
 * @param sys of tests
 */
export async function blockDevices(
  sys = "/sys/class/block",
): Promise<readonly { readonly name: string; readonly sectors: number }[]> {
  const names = (await readdir(sys).catch(() => [])).filter((name) => !NEVER.test(name)).toSorted();
  const sizes = names.map(async (name) => Number(await readFile(join(sys, name, "size"), "utf8").catch(() => "0")));
  return (await Promise.all(sizes)).map((sectors, index) => ({ name: names[index]!, sectors }));
}

/** Every volume with that label and a `user-data`, by device. Disks that cannot be read are others' concern. */
export async function findCloudVolumes(
  { sys, dev }: { readonly sys: string; readonly dev: string } = { sys: "/sys/class/block", dev: "/dev" },
): Promise<readonly CloudVolume[]> {
  const found: CloudVolume[] = [];
  for (const { name, sectors } of await blockDevices(sys)) {
    if (sectors === 0) continue;
    const volume = await cloudVolume(join(dev, name));
    if (volume) found.push(volume);
  }
  return found;
}

async function cloudVolume(device: string): Promise<CloudVolume | undefined> {
  const file = await open(device, "r").catch(() => undefined);
  if (!file) return undefined;
  try {
    const read = async (at: Bytes, length: Bytes): Promise<Uint8Array> => {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, at);
      return buffer.subarray(0, bytesRead);
    };
    const bytes = await withReads(read, userDataOf);
    return bytes && { device, text: Buffer.from(bytes).toString("utf8") };
  } catch (error) {
    return error instanceof AppError ? { device, problem: error.message } : undefined;
  } finally {
    await file.close();
  }
}

/** @returns nothing for a volume of another label or kind @throws AppError for one with that label whose file cannot be read */
function userDataOf(read: ReadAt): Uint8Array | undefined {
  if (isoLabelOf(read) === LABEL) {
    const { start, size } = findInIso(read, FILE);
    return wholeOf(read, [{ start, size }], size);
  }
  if (fatLabelOf(read) !== LABEL) return undefined;
  const { size, extents } = findInFat(read, `/${FILE}`);
  return wholeOf(read, extents, size);
}

function wholeOf(read: ReadAt, extents: readonly { readonly start: Bytes; readonly size: Bytes }[], size: Bytes): Uint8Array {
  if (size > MACHINE_CONFIG_LIMIT)
    throw new AppError("MACHINE_CONFIG_INVALID", `its ${FILE} has more than ${MACHINE_CONFIG_LIMIT / KiB} KiB`);
  const bytes = Buffer.concat(extents.map((extent) => read(extent.start, extent.size)));
  if (bytes.length < size) throw new AppError("MACHINE_CONFIG_INVALID", `its ${FILE} ends too early`);
  return bytes;
}

const isoLabelOf = (read: ReadAt): string | undefined => ifSound(() => isoLabel(read));
const fatLabelOf = (read: ReadAt): string | undefined => ifSound(() => fatLabel(read));
function ifSound(label: () => string | undefined): string | undefined {
  try {
    return label()?.toLowerCase();
  } catch (error) {
    if (error instanceof AppError) return undefined;
    throw error;
  }
}
