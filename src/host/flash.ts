import { createHash } from "node:crypto";
import { AppError } from "../core/error.ts";
import { formatSize, MiB, type Bytes } from "../core/units.ts";
import type { Extent } from "../layout/disk.ts";
import { UNFINISHED, type FlashPhase, type FlashPlan } from "../layout/flash-plan.ts";
import type { FlashDevice } from "./flash-device.ts";

/** What a disk image is read from. At most 1 MiB at once, good until the next read. */
export interface FlashSource {
  readonly path: string;
  readonly read: (offset: Bytes, length: Bytes) => Promise<Uint8Array>;
  /** It lies in memory: what is read back is compared with it, in place of its hash, which would take longer. */
  readonly inMemory?: true;
}

interface FlashInput {
  readonly source: FlashSource;
  /** For messages. */
  readonly path: string;
  readonly device: Omit<FlashDevice, keyof AsyncDisposable>;
  readonly plan: FlashPlan;
  readonly signal: AbortSignal;
  readonly progress: (phase: FlashPhase, done: Bytes, total: Bytes) => void;
}

const CHUNK: Bytes = MiB;
const ZEROS = new Uint8Array(CHUNK);
/** The kernel zeroes these in one call, during which nothing else of this process runs. */
const ZERO_RUN: Bytes = 16 * MiB;

/**
 * Writes an image to a disk in the plan's order, and reads everything back. Cut off at any moment, nothing boots from the disk, and it can be repeated.
 *
 * Every byte becomes the image's: what was on the disk does not matter. Once the tables are being written, an abort is too late.
 *
 * @throws AppError `FLASH_WRITE_FAILED`, `FLASH_READ_FAILED`, `FLASH_DIFFERS`, `FLASH_SOURCE_FAILED`; the signal's reason when aborted
 */
export async function flash({ source, path, device, plan, signal, progress }: FlashInput): Promise<void> {
  const { blank, body, tables, last } = plan;
  signal.throwIfAborted();
  await writing(path, last.start, async () => {
    await device.write(last.start, UNFINISHED);
    await device.flush();
  });
  for (const extent of blank) {
    signal.throwIfAborted();
    await writing(path, extent.start, async () => {
      await device.zero(extent.start, extent.size);
      await device.flush();
    });
  }
  const written = await copy({ source, path, device, signal }, body, (done) => progress("writing", done, body.size));
  await compare({ source, path, device, signal }, body, written, (done) => progress("reading back", done, body.size));

  signal.throwIfAborted();
  progress("finishing", 0, 1);
  const never = new AbortController().signal;
  for (const extent of [...tables, last]) {
    const sums = await copy({ source, path, device, signal: never }, extent, () => {});
    await compare({ source, path, device, signal: never }, extent, sums, () => {});
  }
  progress("finishing", 1, 1);
}

/** SHA-256 of a chunk; what can be compared without one is: most of a new disk are zeros. */
type Sum = Buffer | "zeros" | "the source";

/** Copies a part of the image, and flushes it. @returns what each chunk is to be */
async function copy(
  { source, path, device, signal }: Pick<FlashInput, "source" | "path" | "device" | "signal">,
  { start, size }: Extent,
  tell: (done: Bytes) => void,
): Promise<Sum[]> {
  const sums: Sum[] = [];
  let zeros = 0;
  const zeroUpTo = async (end: Bytes): Promise<void> => {
    if (zeros > 0) await writing(path, end - zeros, async () => await device.zero(end - zeros, zeros));
    zeros = 0;
  };
  for (let done = 0; done < size; done += CHUNK) {
    signal.throwIfAborted();
    const at = start + done;
    const length = Math.min(CHUNK, size - done);
    const bytes = await readSource(source, at, length);
    if (isZero(bytes)) {
      sums.push("zeros");
      zeros += length;
      if (zeros >= ZERO_RUN) await zeroUpTo(at + length);
    } else {
      sums.push(source.inMemory ? "the source" : sha256Of(bytes));
      await zeroUpTo(at);
      await writing(path, at, async () => await device.write(at, bytes));
    }
    tell(done + length - zeros);
  }
  await zeroUpTo(start + size);
  await writing(path, start, async () => await device.flush());
  tell(size);
  return sums;
}

async function compare(
  { source, path, device, signal }: Pick<FlashInput, "source" | "path" | "device" | "signal">,
  { start, size }: Extent,
  sums: readonly Sum[],
  tell: (done: Bytes) => void,
): Promise<void> {
  for (const [index, sum] of sums.entries()) {
    signal.throwIfAborted();
    const at = start + index * CHUNK;
    const length = Math.min(CHUNK, start + size - at);
    const bytes = await device.read(at, length).catch((cause: unknown) => {
      throw failed("FLASH_READ_FAILED", `${path} cannot be read back at ${place(at)}`, cause);
    });
    const isSame = async (): Promise<boolean> => {
      if (sum === "zeros") return isZero(bytes);
      if (sum === "the source") return Buffer.compare(bytes, await readSource(source, at, length)) === 0;
      return sha256Of(bytes).equals(sum);
    };
    if (bytes.length !== length || !(await isSame())) {
      throw new AppError("FLASH_DIFFERS", `what was written to ${path} at ${place(at)} is not what is read back`, {
        hint: "The disk does not keep what is written to it, or is smaller than it says: take another one.",
      });
    }
    tell(at + length - start);
  }
}

async function readSource({ path, read }: FlashSource, at: Bytes, length: Bytes): Promise<Uint8Array> {
  const bytes = await read(at, length).catch((cause: unknown) => {
    throw new AppError("FLASH_SOURCE_FAILED", `${path} cannot be read at ${place(at)}${codeOf(cause)}`, {
      hint: "Build or copy the image again.",
      cause,
    });
  });
  if (bytes.length === length) return bytes;
  throw new AppError("FLASH_SOURCE_FAILED", `${path} has become shorter than ${place(at + length)}`, {
    hint: "Let nothing write to the image meanwhile.",
  });
}

async function writing(path: string, at: Bytes, body: () => Promise<void>): Promise<void> {
  try {
    await body();
  } catch (cause) {
    throw failed("FLASH_WRITE_FAILED", `${path} cannot be written at ${place(at)}`, cause);
  }
}

/** What an operator can do about a write or a read that the kernel refuses. Source: errno(3); `blk_errors` of block/blk-core.c */
const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: "There is no room left: a file takes the place of the disk, or the disk is smaller than it says.",
  EROFS: "The disk has become write-protected: take another one.",
  EPERM: "The disk refuses writes: take another one.",
  EBUSY: "Somebody has begun to use the disk: unmount it, and repeat.",
};
const FAILING =
  "The disk is failing, or was pulled out: look at `dmesg`, try another port or another disk. It is safe to repeat the command.";

function failed(code: string, message: string, cause: unknown): AppError {
  const hint = HINTS[(cause as NodeJS.ErrnoException).code ?? ""] ?? FAILING;
  return new AppError(code, `${message}${codeOf(cause)}`, { hint, cause });
}

const codeOf = (cause: unknown): string => {
  const { code, message } = cause as NodeJS.ErrnoException;
  return `: ${code ?? message}`;
};
const place = (at: Bytes): string => `${formatSize(at)} (byte ${at})`;
const isZero = (bytes: Uint8Array): boolean => Buffer.compare(bytes, ZEROS.subarray(0, bytes.length)) === 0;
const sha256Of = (bytes: Uint8Array): Buffer => createHash("sha256").update(bytes).digest();
