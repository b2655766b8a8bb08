import { constants } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { alignUp, MiB, type Bytes } from "../core/units.ts";
import { alignedBuffer, DIRECT_ALIGN } from "./aligned-buffer.ts";
import type { FileExtent } from "./file-extents.ts";

/** Bytes that lie in extents of a device, opened for writing past every cache. */
export interface DirectWriter extends AsyncDisposable {
  /**
   * Writes at most 1 MiB. Not durable before {@link flush}.
   *
   * @param offset from the start of the first extent, a multiple of 4096
   * @param bytes the last piece may have any length: what follows it in its block becomes zero
   * @throws NodeJS.ErrnoException; RangeError where the extents end
   */
  readonly write: (offset: Bytes, bytes: Uint8Array) => Promise<void>;
  /** What was written is on the medium. @throws NodeJS.ErrnoException */
  readonly flush: () => Promise<void>;
}

/**
 * @param device a block device, or a file that stands for one in tests; a mounted file system on it may be read meanwhile
 * @param use `alone`: fails with `EBUSY` while the device is mounted, and nobody can mount it until this is disposed of
 */
export async function openDirectWriter(
  device: string,
  extents: readonly FileExtent[],
  use: "shared" | "alone" = "shared",
): Promise<DirectWriter> {
  const buffer = alignedBuffer(MiB);
  const handle = await openForWriting(device, use === "alone" ? constants.O_EXCL : 0);
  return {
    write: async (offset, bytes) => {
      if (offset % DIRECT_ALIGN !== 0 || bytes.length > MiB) throw new RangeError(`${bytes.length} bytes at ${offset}`);
      const length = alignUp(bytes.length, DIRECT_ALIGN);
      buffer.set(bytes);
      buffer.fill(0, bytes.length, length);
      for (const { at, from, size } of placesOf(extents, offset, length)) await writeAll(handle, buffer, from, size, at);
    },
    flush: async () => await handle.datasync(),
    [Symbol.asyncDispose]: async () => await handle.close(),
  };
}

/** @param flags `O_EXCL`, but not while the file system that the extents belong to is mounted. Source: open(2) */
async function openForWriting(device: string, flags: number): Promise<FileHandle> {
  try {
    return await open(device, constants.O_WRONLY | constants.O_DIRECT | flags);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EINVAL") throw error;
    return await open(device, constants.O_WRONLY | flags); // a file system without direct I/O
  }
}

async function writeAll(handle: FileHandle, buffer: Uint8Array, from: Bytes, size: Bytes, at: Bytes): Promise<void> {
  const { bytesWritten } = await handle.write(buffer, from, size, at);
  if (bytesWritten !== size) throw new Error(`only ${bytesWritten} of ${size} bytes were written at ${at}`);
}

/** Which parts of a run of bytes go where on the device. */
export function placesOf(
  extents: readonly FileExtent[],
  offset: Bytes,
  length: Bytes,
): { readonly at: Bytes; readonly from: Bytes; readonly size: Bytes }[] {
  const places: { at: Bytes; from: Bytes; size: Bytes }[] = [];
  let begin = 0;
  let done = 0;
  for (const extent of extents) {
    const inside = offset + done - begin;
    if (inside < extent.size && done < length) {
      const size = Math.min(length - done, extent.size - inside);
      places.push({ at: extent.start + inside, from: done, size });
      done += size;
    }
    begin += extent.size;
  }
  if (done < length) throw new RangeError(`${length} bytes at ${offset} reach beyond ${begin}`);
  return places;
}
