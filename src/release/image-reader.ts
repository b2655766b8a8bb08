/** @portable Reading an image that may be damaged: what may be believed of a read, and what its failure means. */
import { AppError } from "../core/error.ts";
import type { Bytes } from "../core/units.ts";
import type { ReadAt } from "../layout/gpt.ts";

/** A file or block device that starts with a system image; it may be longer. */
export interface ImageReader {
  readonly size: Bytes;
  /**
   * `length` bytes, at most {@link MAX_READ}, from `offset`; fewer only where the file ends. They may be in a buffer of the reader's own, good until the
   * next read; there is one read at a time. Rejects with a system error's `code`. Other work of the process gets its turn meanwhile.
   */
  readonly read: (offset: Bytes, length: Bytes) => Promise<Uint8Array>;
}
export const MAX_READ: Bytes = 1024 ** 2;

/** What the kernel answers when the medium, or the file system around the image, has lost bytes: `blk_errors` of block/blk-core.c. */
const MEDIUM_ERRORS: ReadonlySet<unknown> = new Set(["EIO", "ENODATA", "EILSEQ", "EREMOTEIO", "EUCLEAN", "EBADMSG"]);

/** The code of a failed read that means damage; nothing for any other failure. */
export function mediumError(error: unknown): string | undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return MEDIUM_ERRORS.has(code) ? String(code) : undefined;
}

const PAGE: Bytes = 64 * 1024;
/** A decoder that wants more than 4 MiB follows damage. */
const MAX_PAGES = 64;

/**
 * Lets the decoders of src/layout, which read as if everything were in memory, work on a reader that is asynchronous: where one misses a page, the page
 * is read, and it starts again.
 *
 * @returns a function that runs a decoder and passes on what it returns or throws, failed reads included
 */
export function pagedDecoding({ read, size }: ImageReader): <T>(decode: (read: ReadAt) => T) => Promise<T> {
  const pages = new Map<number, Uint8Array | { readonly error: unknown }>();
  return async (decode) => {
    for (;;) {
      let missing: number | undefined;
      const readAt: ReadAt = (offset, length) => {
        const bytes = new Uint8Array(Math.max(0, Math.min(length, size - offset)));
        for (let done = 0; done < bytes.length;) {
          const number = Math.floor((offset + done) / PAGE);
          const page = pages.get(number);
          if (!page) {
            missing ??= number; // a decoder may catch what is thrown here, and try elsewhere
            throw new Error("not read yet");
          }
          if ("error" in page) throw page.error;
          const inside = offset + done - number * PAGE;
          const part = page.subarray(inside, inside + bytes.length - done);
          if (part.length === 0) return bytes.subarray(0, done);
          bytes.set(part, done);
          done += part.length;
        }
        return bytes;
      };
      let outcome: { readonly value: ReturnType<typeof decode> } | { readonly error: unknown };
      try {
        outcome = { value: decode(readAt) };
      } catch (error) {
        outcome = { error };
      }
      if (missing === undefined) {
        if ("error" in outcome) throw outcome.error;
        return outcome.value;
      }
      if (pages.size >= MAX_PAGES) throw new AppError("IMAGE_UNREASONABLE", "its tables lead too far to be believed");
      pages.set(missing, await readPage(read, missing * PAGE, Math.min(PAGE, size - missing * PAGE)));
    }
  };
}

async function readPage(
  read: ImageReader["read"],
  offset: Bytes,
  length: Bytes,
): Promise<Uint8Array | { readonly error: unknown }> {
  try {
    return Uint8Array.from(await read(offset, length)); // a copy: the next read may take the buffer
  } catch (error) {
    if (mediumError(error) === undefined) throw error;
    return { error };
  }
}
