/** A whole new disk that is put together while it is read: only its file systems' own blocks are made before, in memory. docs/concepts/install.md */
import { constants } from "node:fs";
import { chmod, mkdir, open, rm, statfs, writeFile, type FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import { AppError } from "../core/error.ts";
import { formatSize, MiB, type Bytes } from "../core/units.ts";
import { partsWithin, type ComposedDisk } from "../layout/composed-disk.ts";
import { DISK_LABELS, IMAGE_FILES, type DiskGuids, type DiskPlan } from "../layout/disk.ts";
import { newDisk, type StoreFile } from "../layout/install-disk.ts";
import type { OemFile } from "../layout/install.ts";
import type { LoaderKit } from "../layout/loader-kit.ts";
import { makeExt4File, makeStoreFile, type Ext4File, type Ext4Means } from "./ext4-file.ts";
import type { FlashSource } from "./flash.ts";

export interface NewDiskMeans extends Ext4Means {
  /** In memory; is made, and removed with the scope. */
  readonly work: string;
}
export interface NewDiskInput {
  readonly plan: DiskPlan;
  readonly guids: DiskGuids;
  readonly loader: LoaderKit;
  /** SHA-256 of the image's manifest. */
  readonly image: { readonly path: string; readonly size: Bytes; readonly digest: string };
  readonly oem: readonly OemFile[];
  /** Seconds since 1970, of every file system. */
  readonly time: number;
  /** What began it, where nobody did: for docs/formats/install-mark.md. */
  readonly source?: string | undefined;
}

/** What the file systems' own blocks take (measured: 0.6 MiB with slots of 1.5 GiB, 11 MiB with 100 GiB), and some room. */
const ROOM: Bytes = 16 * MiB;

/**
 * Opens the disk that an image is installed as.
 *
 * @throws AppError `MEMORY_INSUFFICIENT` where its file systems find no room, `LOADER_KIT_INVALID`; CommandError; NodeJS.ErrnoException
 */
export async function openNewDisk(
  { work, ...means }: NewDiskMeans,
  { plan, guids, loader, image, oem, time, source }: NewDiskInput,
): Promise<FlashSource & { readonly size: Bytes } & AsyncDisposable> {
  await using cleanup = new AsyncDisposableStack();
  await rm(work, { recursive: true, force: true });
  await mkdir(work, { recursive: true, mode: 0o700 });
  cleanup.defer(async () => await rm(work, { recursive: true, force: true }));
  await requireRoom(work);
  const volume = (name: keyof typeof DISK_LABELS): Ext4File => {
    const { size } = plan.partitions[name];
    return { path: join(work, name), size, label: DISK_LABELS[name], partition: guids[name], time };
  };
  const store = async (name: "recovery" | "state", paths: readonly string[], capacity: Bytes): Promise<StoreFile<string>> => {
    const names = paths.map((path) => path.slice(1));
    const { path, pieces } = await makeStoreFile(means, volume(name), { names, capacity });
    return { file: path, pieces };
  };
  const folder = join(work, "oem-files");
  await layOut(folder, oem);
  await makeExt4File(means, volume("oem"), folder);
  await rm(folder, { recursive: true });
  await makeExt4File(means, volume("persistent"));
  const disk = newDisk({
    ...{ plan, guids, loader, source, image: { ...image, file: image.path } },
    ...{ oem: volume("oem").path, persistent: volume("persistent").path },
    recovery: await store("recovery", [IMAGE_FILES.recovery1, IMAGE_FILES.recovery2], plan.recoverySize),
    state: await store("state", [IMAGE_FILES.a, IMAGE_FILES.b], plan.slotSize),
  });
  const opened = cleanup.use(await openComposed(disk));
  const scope = cleanup.move();
  return {
    path: image.path,
    size: disk.size,
    inMemory: true,
    read: opened.read,
    [Symbol.asyncDispose]: async () => await scope.disposeAsync(),
  };
}

async function requireRoom(folder: string): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize >= ROOM) return;
  throw new AppError(
    "MEMORY_INSUFFICIENT",
    `an installation needs ${formatSize(ROOM)} of memory in ${dirname(folder)}, and there are ${formatSize(bavail * bsize)}`,
    { hint: "Give the machine more memory." },
  );
}

async function layOut(folder: string, files: readonly OemFile[]): Promise<void> {
  await mkdir(folder, { mode: 0o755 });
  await chmod(folder, 0o755); // whatever the umask
  for (const { path, text } of files) {
    const at = join(folder, path);
    await mkdir(dirname(at), { recursive: true, mode: 0o700 });
    await writeFile(at, text, { mode: 0o600 });
  }
}

/** @param disk of files by their paths */
async function openComposed(disk: ComposedDisk<string>): Promise<Pick<FlashSource, "read"> & AsyncDisposable> {
  await using cleanup = new AsyncDisposableStack();
  const files = new Map<string, FileHandle>();
  for (const { from } of disk.parts) {
    if ("file" in from && !files.has(from.file)) files.set(from.file, cleanup.use(await open(from.file, constants.O_RDONLY)));
  }
  const buffer = new Uint8Array(MiB);
  const scope = cleanup.move();
  return {
    read: async (offset, length) => {
      const bytes = buffer.subarray(0, Math.max(0, Math.min(length, disk.size - offset)));
      bytes.fill(0);
      for (const { start, size, from } of partsWithin(disk, offset, bytes.length)) {
        if ("bytes" in from) bytes.set(from.bytes, start);
        else await readWhole(files.get(from.file)!, bytes.subarray(start, start + size), from.at);
      }
      return bytes;
    },
    [Symbol.asyncDispose]: async () => await scope.disposeAsync(),
  };
}

async function readWhole(file: FileHandle, into: Uint8Array, at: Bytes): Promise<void> {
  for (let done = 0; done < into.length;) {
    const { bytesRead } = await file.read(into, done, into.length - done, at + done);
    if (bytesRead === 0) throw new Error(`it ends at byte ${at + done}`);
    done += bytesRead;
  }
}
