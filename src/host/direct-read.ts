import { constants } from "node:fs";
import { open, readFile, type FileHandle } from "node:fs/promises";
import { alignUp, MiB, type Bytes } from "../core/units.ts";
import { alignedBuffer, DIRECT_ALIGN as ALIGN } from "./aligned-buffer.ts";

/** A file or block device opened for reading what is on the disk, not what memory remembers of it. */
export interface DirectFile extends AsyncDisposable {
  readonly size: Bytes;
  /** False where the file system refuses direct I/O: reads may come from memory then. */
  readonly direct: boolean;
  /**
   * `length` bytes, at most 1 MiB, from `offset`; fewer only where the file ends. They are in a buffer of the file's own, good until the next read.
   * The kernel reads in another thread; there is one read at a time.
   *
   * @throws NodeJS.ErrnoException `EIO`, or `ENODATA` as the block layer calls a medium error, where the disk cannot be read
   */
  readonly read: (offset: Bytes, length: Bytes) => Promise<Uint8Array>;
}

const MAX_READ: Bytes = MiB;

/** @throws NodeJS.ErrnoException */
export async function openDirect(path: string): Promise<DirectFile> {
  const buffer = alignedBuffer(MAX_READ + 2 * ALIGN);
  const { handle, direct } = await openHandle(path, buffer);
  let reading = false;
  return {
    size: await sizeOf(handle).catch(async (error: unknown) => {
      await handle.close();
      throw error;
    }),
    direct,
    read: async (offset, length) => {
      if (length > MAX_READ) throw new Error(`${length} bytes in one read`);
      if (reading) throw new Error("two reads at once");
      reading = true;
      try {
        return await readAligned(handle, buffer, offset, length);
      } finally {
        reading = false;
      }
    },
    [Symbol.asyncDispose]: async () => await handle.close(),
  };
}

/** Some file systems refuse direct I/O when a file is opened, others at the first read. */
async function openHandle(path: string, buffer: Uint8Array): Promise<{ handle: FileHandle; direct: boolean }> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_DIRECT);
    await handle.read(buffer, 0, ALIGN, 0);
    return { handle, direct: true };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (handle && code !== "EINVAL") return { handle, direct: true }; // the disk's own answer: for whoever reads that place
    await handle?.close();
    if (code !== "EINVAL") throw error;
    return { handle: await open(path, constants.O_RDONLY), direct: false };
  }
}

async function readAligned(handle: FileHandle, buffer: Uint8Array, offset: Bytes, length: Bytes): Promise<Uint8Array> {
  const start = Math.floor(offset / ALIGN) * ALIGN;
  const wanted = alignUp(offset + length, ALIGN) - start;
  let filled = 0;
  for (let at = 0; at < wanted; at = Math.floor(filled / ALIGN) * ALIGN) {
    const { bytesRead } = await handle.read(buffer, at, wanted - at, start + at);
    if (at + bytesRead <= filled) break; // the end
    filled = at + bytesRead;
  }
  return buffer.subarray(offset - start, Math.min(filled, offset - start + length));
}

/** `stat` knows no size of a block device; /sys counts it in units of 512 bytes, whatever its sectors. */
async function sizeOf(handle: FileHandle): Promise<Bytes> {
  const info = await handle.stat({ bigint: true });
  if (!info.isBlockDevice()) return Number(info.size);
  // Source: gnu_dev_major and gnu_dev_minor of glibc.
  const major = ((info.rdev >> 8n) & 0xfffn) | ((info.rdev >> 32n) & ~0xfffn);
  const minor = (info.rdev & 0xffn) | ((info.rdev >> 12n) & 0xffffff00n);
  return Number((await readFile(`/sys/dev/block/${major}:${minor}/size`, "utf8")).trim()) * 512;
}
