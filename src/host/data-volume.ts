/** Data partitions as they were before a machine's first boot: made anew, overwritten, or emptied but for what is kept. docs/concepts/reset.md */
import { mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Bytes } from "../core/units.ts";
import { MiB } from "../core/units.ts";
import { DATA_CONFIG, EXT4_BLOCK, mke2fsOverCommand, type Ext4Volume } from "../layout/mke2fs.ts";
import { openDirect } from "./direct-read.ts";
import { openFlashDevice, type FlashDevice } from "./flash-device.ts";
import { mountWritable } from "./linux.ts";
import { syncDirectory } from "./replace-file.ts";
import type { Run } from "./run.ts";
import { sha256 } from "./sha256.ts";

export interface VolumeMeans {
  readonly run: Run;
  /** Folder of mke2fs and e2fsck. */
  readonly programs: string;
  /** In memory: for a configuration, and to mount things in. */
  readonly work: string;
}

/**
 * Makes an empty file system over whatever a partition holds. It is durable when this returns; cut off before, the partition may hold anything.
 *
 * The disk is told that nothing of the partition is needed any more, where it can be told. What it cannot be told stays there until it is overwritten.
 *
 * @throws CommandError of mke2fs, which refuses a partition that is mounted
 */
export async function makeDataVolume(
  { run, programs, work }: VolumeMeans,
  { device, ...volume }: Pick<Ext4Volume, "label" | "partition" | "time"> & { readonly device: string },
  signal: AbortSignal,
): Promise<void> {
  const size = Math.floor((await sizeOf(device)) / EXT4_BLOCK) * EXT4_BLOCK;
  await mkdir(work, { recursive: true });
  const config = join(work, "mke2fs.conf");
  await writeFile(config, DATA_CONFIG);
  const { argv, ...options } = mke2fsOverCommand({ ...volume, file: device, offset: 0, size }, config, sha256);
  const [name, ...args] = argv;
  await run([join(programs, name), ...args], { ...options, signal });
  await using disk = await openVolume(device);
  await disk.flush();
}

/** The kernel zeroes these in one call, during which nothing else of this process runs. */
const ZERO_RUN: Bytes = 8 * MiB;

/** Makes every byte of a partition zero. @throws NodeJS.ErrnoException `EBUSY` while it is mounted */
export async function eraseVolume(
  device: string,
  progress: (done: Bytes, total: Bytes) => void,
  signal: AbortSignal,
): Promise<void> {
  await using disk = await openVolume(device);
  const { size } = disk;
  for (let at = 0; at < size; at += ZERO_RUN) {
    signal.throwIfAborted();
    await disk.zero(at, Math.min(ZERO_RUN, size - at));
    progress(Math.min(size, at + ZERO_RUN), size);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await disk.flush();
}

/** What of the oem partition stays. */
export interface OemKeeps {
  readonly config: boolean;
  readonly identity: boolean;
}

/** Folders of the oem partition with what makes the machine this machine. */
const IDENTITY = ["identity", "petrify/etc/ssh"] as const;
/** What is of the file system itself. */
const OWN = "lost+found";

/**
 * Takes everything off the oem partition but what is kept: what an agent remembers always goes. Durable when it returns; cut off, it can be repeated.
 *
 * @param keeps at least one
 * @throws Error when it cannot be mounted, or something cannot be removed
 */
export async function emptyOem(means: VolumeMeans, device: string, keeps: OemKeeps): Promise<void> {
  await using mounted = await mountOem(means, device);
  await emptyOemFolder(mounted.path, keeps);
}

/** Mounts the oem partition until the scope ends, after its check. @throws CommandError of e2fsck, Error with the kernel's errno */
export async function mountOem(
  { run, programs, work }: VolumeMeans,
  device: string,
): Promise<{ readonly path: string } & AsyncDisposable> {
  await run([join(programs, "e2fsck"), "-p", device], { okExit: REPAIRED });
  return await mountWritable(device, join(work, "oem"));
}
/** Exit codes of e2fsck(8): no errors, errors corrected. */
const REPAIRED = [0, 1];

/** The same of a folder that stands for the partition. */
export async function emptyOemFolder(folder: string, keeps: OemKeeps): Promise<void> {
  const isKept = (path: string): boolean => {
    if (path === OWN || path === AUDIT) return true;
    if (path === AGENT || path.startsWith(`${AGENT}/`)) return false;
    return IDENTITY.some((one) => path === one || path.startsWith(`${one}/`)) ? keeps.identity : keeps.config;
  };
  const empty = async (below: string): Promise<void> => {
    for (const entry of await readdir(join(folder, below), { withFileTypes: true })) {
      const path = below === "" ? entry.name : `${below}/${entry.name}`;
      const isAbove = [...IDENTITY, AGENT].some((one) => one.startsWith(`${path}/`));
      if (isAbove && entry.isDirectory()) await empty(path);
      else if (!isKept(path)) await rm(join(folder, path), { recursive: true, force: true });
    }
    await syncDirectory(join(folder, below));
  };
  await empty("");
}
const AGENT = "petrify/agent";
/** Who has asked for the reset is in it. */
const AUDIT = "petrify/audit";

/** A partition, or a file that stands for one in tests. */
async function openVolume(device: string): Promise<FlashDevice> {
  const isFile = (await stat(device)).isFile();
  return await openFlashDevice(device, { isFile, sectorSize: EXT4_BLOCK });
}

async function sizeOf(device: string): Promise<Bytes> {
  await using disk = await openDirect(device);
  return disk.size;
}
