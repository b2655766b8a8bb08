/** Writing to a place of this machine's disk, whose failures are told as what they are. */
import { AppError } from "../core/error.ts";
import { openDirectWriter } from "../host/direct-write.ts";
import type { FileExtent } from "../host/file-extents.ts";
import type { ImageWriter } from "../release/copy-image.ts";

const HINT =
  "The disk may be failing: see `journalctl -k`. What runs is not touched; the next try goes on where this one stopped.";

/** @throws AppError `PLACE_UNWRITABLE`, as its calls do */
export async function openPlaceWriter(device: string, extents: readonly FileExtent[]): Promise<ImageWriter & AsyncDisposable> {
  const writer = await telling(openDirectWriter(device, extents));
  return { ...tellingWriter(writer), [Symbol.asyncDispose]: async () => await writer[Symbol.asyncDispose]() };
}

export const tellingWriter = ({ write, flush }: ImageWriter): ImageWriter => ({
  write: async (offset, bytes) => await telling(write(offset, bytes)),
  flush: async () => await telling(flush()),
});

async function telling<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    // Whatever has no errno is a bug, and no disk's.
    if ((cause as NodeJS.ErrnoException).code === undefined || cause instanceof RangeError) throw cause;
    throw new AppError("PLACE_UNWRITABLE", `the place for the image cannot be written: ${(cause as Error).message}`, {
      hint: HINT,
      cause,
    });
  }
}
