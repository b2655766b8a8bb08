/** The file system that the slots' files are in: whether it is there, and how it is made anew. docs/concepts/recovery.md */
import { constants } from "node:fs";
import { mkdir, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "../core/error.ts";
import { MiB, type Bytes } from "../core/units.ts";
import { storeCapacity, type Extent } from "../layout/disk.ts";
import { EXT4_SUPERBLOCK_END, storeSuperblock } from "../layout/ext4.ts";
import { EXT4_BLOCK, storeMetadata, type Ext4Volume } from "../layout/mke2fs.ts";
import { openDirect, type DirectFile } from "./direct-read.ts";
import { openDirectWriter } from "./direct-write.ts";
import { ERRNO, errnoOf } from "./errno.ts";
import { makeStoreFile, type Ext4Means } from "./ext4-file.ts";
import { fileExtents } from "./file-extents.ts";
import { mountReadOnly } from "./linux.ts";

/** What the kernel says of a file system that it can read, and that makes no sense to it. Anything else says something of the disk, or of the moment. */
const SENSELESS: ReadonlySet<number> = new Set([ERRNO.EINVAL, ERRNO.EBADMSG, ERRNO.EUCLEAN]);

/** Bytes that each file of a store has, on a partition of this size. @throws NodeJS.ErrnoException */
export async function capacityOf(device: string): Promise<Bytes> {
  await using disk = await openDirect(device);
  return storeCapacity(disk.size);
}

/**
 * Why files of a store cannot hold an image, a sentence for each; `undefined` of one that can. Nothing is written.
 *
 * Something is wrong only where the device can be read, all of it that holds metadata: an error of the disk proves nothing about what is on it.
 *
 * @param folder where the store is mounted meanwhile
 * @throws Error when the store cannot be looked at: nothing is known then
 */
export async function lookAtStore(
  device: string,
  names: readonly string[],
  folder: string,
  mount: typeof mountReadOnly = mountReadOnly,
): Promise<(string | undefined)[]> {
  await using disk = await openDirect(device);
  const capacity = storeCapacity(disk.size);
  const faults = await faultsOf(disk, names, capacity, async () => await mount(device, folder));
  if (faults.some((fault) => fault !== undefined)) await readFront(disk, capacity);
  return faults;
}

async function faultsOf(
  disk: DirectFile,
  names: readonly string[],
  capacity: Bytes,
  mount: () => Promise<{ readonly path: string } & AsyncDisposable>,
): Promise<(string | undefined)[]> {
  let store: Awaited<ReturnType<typeof mount>>;
  try {
    store = await mount();
  } catch (error) {
    const fault = await faultOfStore(disk, error);
    return names.map(() => fault);
  }
  await using mounted = store;
  const faults: (string | undefined)[] = [];
  for (const name of names) faults.push(await faultOfFile(mounted.path, name, capacity));
  return faults;
}

/** @param error of mounting it; thrown unless it says that there is no store */
async function faultOfStore(disk: DirectFile, error: unknown): Promise<string> {
  if (!SENSELESS.has(errnoOf(error))) throw error;
  const superblock = storeSuperblock(await disk.read(0, EXT4_SUPERBLOCK_END));
  if (superblock === "newer") throw new AppError("STORE_NEWER", "its file system was made by newer software");
  return superblock === "none" ? "it holds no file system" : "its file system is damaged";
}

async function faultOfFile(folder: string, name: string, capacity: Bytes): Promise<string | undefined> {
  try {
    const { size } = await fileExtents(join(folder, name));
    return size === capacity ? undefined : `${name} has ${size} bytes, not ${capacity}`;
  } catch (error) {
    if (error instanceof AppError && error.code === "FILE_NOT_IN_PLACE") return `${name} has bytes without a place on the disk`;
    if (errnoOf(error) === ERRNO.ENOENT) return `${name} is missing`;
    if (SENSELESS.has(errnoOf(error))) return `its file system is damaged where ${name} is`;
    throw error;
  }
}

/** All but the files' own bytes lies in front of them. @throws NodeJS.ErrnoException */
async function readFront(disk: DirectFile, capacity: Bytes): Promise<void> {
  const end = disk.size - 2 * capacity;
  for (let at = 0; at < end; at += MiB) {
    const length = Math.min(MiB, end - at);
    if ((await disk.read(at, length)).length < length) throw new Error(`the partition ends before byte ${at + length}`);
  }
}

export interface StoreMeans extends Omit<Ext4Means, "signal"> {
  /** In memory: for what is made before it is copied, and taken away after it. */
  readonly work: string;
  readonly openWriter?: typeof openDirectWriter;
}

/**
 * Makes an empty store over whatever a partition holds, with the shape that a build gives it: each file has its capacity as written blocks.
 *
 * It is made in a sparse file, and copied, but for the files' own bytes. First the old superblock goes, last the new one comes, and each of
 * these is durable before the next thing is written: cut off anywhere, the partition holds no file system, or the whole one.
 *
 * @throws NodeJS.ErrnoException `EBUSY` while it is mounted; AppError
 */
export async function makeStore(
  { run, programs, work, openWriter = openDirectWriter }: StoreMeans,
  {
    device,
    names,
    ...volume
  }: Pick<Ext4Volume, "label" | "partition" | "time"> & { readonly device: string; readonly names: readonly string[] },
  signal: AbortSignal,
): Promise<void> {
  const size = await sizeOf(device);
  const files = { names, capacity: storeCapacity(size) };
  if (files.capacity === 0) throw new AppError("PARTITION_TOO_SMALL", `${device} is too small for two images: ${size} bytes`);
  await using writer = await openWriter(device, [{ start: 0, size }], "alone");
  await rm(work, { recursive: true, force: true });
  await mkdir(work, { recursive: true });
  await using scope = new AsyncDisposableStack();
  scope.defer(async () => await rm(work, { recursive: true }));

  const { path, pieces } = await makeStoreFile({ run, programs, signal }, { ...volume, path: join(work, "store"), size }, files);
  await using made = await open(path, constants.O_RDONLY);
  const buffer = new Uint8Array(MiB);
  const copy = async ({ start, size: length }: Extent): Promise<void> => {
    for (let at = start; at < start + length; at += MiB) {
      signal.throwIfAborted();
      const wanted = Math.min(MiB, start + length - at);
      const { bytesRead } = await made.read(buffer, 0, wanted, at);
      if (bytesRead !== wanted) throw new Error(`${path} ends at byte ${at + bytesRead}`);
      await writer.write(at, buffer.subarray(0, wanted));
    }
  };
  const { superblock, rest } = storeMetadata(size, pieces.flat());
  await writer.write(superblock.start, new Uint8Array(superblock.size));
  await writer.flush();
  for (const extent of rest) await copy(extent);
  await writer.flush();
  await copy(superblock);
  await writer.flush();
}

async function sizeOf(device: string): Promise<Bytes> {
  await using disk = await openDirect(device);
  return Math.floor(disk.size / EXT4_BLOCK) * EXT4_BLOCK;
}
