import { mkdir, open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { AppError } from "../core/error.ts";
import type { Bytes } from "../core/units.ts";
import { takeLock } from "./lock-file.ts";
import { syncDirectory } from "./replace-file.ts";

/** An output in the making that a later process goes on with. */
export interface ResumableFile extends AsyncDisposable {
  readonly path: string;
  /** Zeros where nothing was written yet. */
  readonly read: (offset: Bytes, length: Bytes) => Promise<Uint8Array>;
  readonly write: (offset: Bytes, bytes: Uint8Array) => Promise<void>;
  /** Begins to bring to the disk what was written, unless that is under way: `finish` has less to wait for. What fails is told there. */
  readonly settle: () => void;
  /** Makes it durable, and renames it to the output, replacing what was there. */
  readonly finish: () => Promise<void>;
}

/**
 * `OUTPUT.KEY.partial`, of `size` bytes; what an earlier process left there stays until it is finished.
 *
 * @param key of what is written: the same for the same bytes
 * @throws AppError `OUTPUT_BUSY` while another process writes it
 */
export async function resumableFile(output: string, key: string, size: Bytes): Promise<ResumableFile> {
  await mkdir(dirname(output), { recursive: true });
  const path = `${output}.${key}.partial`;
  await using stack = new AsyncDisposableStack();
  await (await open(path, "a")).close(); // as readable as any output: a lock's own file is its owner's alone
  const lock = await takeLock(path);
  if (!lock) {
    throw new AppError("OUTPUT_BUSY", `${path} is being written by another process`, {
      hint: "Wait for it, or name another file with --output.",
    });
  }
  stack.use(lock);
  const file = stack.use(await open(path, "r+"));
  await file.truncate(size); // sparse where it is new
  let settling: Promise<void> | undefined;
  /** The kernel tells a failed write once, to whoever synchronises first. Source: fsync(2) */
  let failure: { readonly error: unknown } | undefined;
  const settle = async (): Promise<void> => {
    await file.datasync().catch((error: unknown) => (failure ??= { error }));
    settling = undefined;
  };
  stack.defer(async () => await settling);
  const scope = stack.move();
  return {
    path,
    read: async (offset, length) => {
      const bytes = new Uint8Array(length);
      for (let done = 0; done < length;) {
        const { bytesRead } = await file.read(bytes, done, length - done, offset + done);
        if (bytesRead === 0) return bytes.subarray(0, done);
        done += bytesRead;
      }
      return bytes;
    },
    write: async (offset, bytes) => {
      for (let done = 0; done < bytes.length;)
        done += (await file.write(bytes, done, bytes.length - done, offset + done)).bytesWritten;
    },
    settle: () => void (settling ??= settle()),
    finish: async () => {
      await settling;
      if (failure) throw failure.error;
      await file.sync();
      await rename(path, output);
      await syncDirectory(dirname(output));
    },
    [Symbol.asyncDispose]: async () => await scope.disposeAsync(),
  };
}
