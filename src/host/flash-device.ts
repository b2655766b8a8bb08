import { dlopen } from "node:ffi";
import { constants } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { AppError } from "../core/error.ts";
import { alignUp, MiB, type Bytes } from "../core/units.ts";
import type { FlashTarget } from "../layout/flash-target.ts";
import { alignedBuffer } from "./aligned-buffer.ts";
import { openDirect } from "./direct-read.ts";
import { ERRNO_PLACE, errnoAt } from "./errno.ts";

/** A disk that is written from front to back and read back, or a regular file that stands for one. */
export interface FlashDevice extends AsyncDisposable {
  readonly size: Bytes;
  /**
   * Writes at most 1 MiB. Not durable before {@link flush}.
   *
   * @param offset a multiple of the sector size
   * @param bytes what follows them in their last sector becomes zero
   * @throws NodeJS.ErrnoException
   */
  readonly write: (offset: Bytes, bytes: Uint8Array) => Promise<void>;
  /** Makes a run of whole sectors zero: by the disk itself where it can. @throws NodeJS.ErrnoException */
  readonly zero: (offset: Bytes, length: Bytes) => Promise<void>;
  /** What was written is on the medium. @throws NodeJS.ErrnoException */
  readonly flush: () => Promise<void>;
  /** At most 1 MiB from the medium, not from memory; good until the next read. @throws NodeJS.ErrnoException */
  readonly read: (offset: Bytes, length: Bytes) => Promise<Uint8Array>;
}

/** Source: linux/fs.h, linux/falloc.h, unistd_64.h */
const SYS = { ioctl: 16n, fallocate: 285n } as const;
const BLKRRPART = 0x125fn;
const BLKDISCARD = 0x1277n;
const BLKZEROOUT = 0x127fn;
const PUNCH_HOLE_KEEP_SIZE = 0x02n | 0x01n;

/**
 * Nobody else can mount the disk or a partition of it until this is disposed of; then the kernel reads its partition table again.
 *
 * @param disk whether it is a block device, and its sectors
 * @throws NodeJS.ErrnoException `EBUSY` while it is in use
 */
export async function openFlashDevice(
  path: string,
  { isFile, sectorSize }: { readonly isFile: boolean; readonly sectorSize: Bytes },
): Promise<FlashDevice> {
  await using cleanup = new AsyncDisposableStack();
  // A file goes by way of memory: direct I/O could not end it inside a block.
  const handle = cleanup.use(await open(path, constants.O_WRONLY | (isFile ? 0 : constants.O_EXCL | constants.O_DIRECT)));
  const reader = cleanup.use(await openDirect(path));
  const buffer = alignedBuffer(MiB);
  if (!isFile) cleanup.defer(() => void rawCall(SYS.ioctl, handle, [BLKRRPART, 0n, 0n]));
  const zeroByHand = async (offset: Bytes, length: Bytes): Promise<void> => {
    buffer.fill(0);
    for (let done = 0; done < length; done += MiB) {
      await writeAll(handle, buffer, Math.min(MiB, length - done), offset + done);
    }
  };
  const scope = cleanup.move();
  return {
    size: reader.size,
    write: async (offset, bytes) => {
      if (bytes.length > MiB) throw new RangeError(`${bytes.length} bytes at ${offset}`);
      const length = isFile ? bytes.length : alignUp(bytes.length, sectorSize);
      buffer.set(bytes);
      buffer.fill(0, bytes.length, length);
      await writeAll(handle, buffer, length, offset);
    },
    zero: async (offset, length) => {
      const isZero = isFile ? punch(handle, offset, length) : zeroOut(handle, offset, length);
      if (!isZero) await zeroByHand(offset, length);
    },
    flush: async () => await handle.datasync(),
    read: reader.read,
    [Symbol.asyncDispose]: async () => await scope.disposeAsync(),
  };
}

/** @throws AppError `DEVICE_BUSY` when it cannot be had alone */
export const openFlashTarget = async ({ path, kind, sectorSize }: FlashTarget): Promise<FlashDevice> =>
  await openFlashDevice(path, { isFile: kind === "file", sectorSize }).catch((cause: unknown) => {
    const { code } = cause as NodeJS.ErrnoException;
    throw new AppError("DEVICE_BUSY", `${path} cannot be opened for writing (${code})`, { hint: "See what uses it.", cause });
  });

async function writeAll(handle: FileHandle, buffer: Uint8Array, length: Bytes, at: Bytes): Promise<void> {
  for (let done = 0; done < length;) {
    const { bytesWritten } = await handle.write(buffer, done, length - done, at + done);
    if (bytesWritten === 0) throw new Error(`nothing could be written at ${at + done}`);
    done += bytesWritten;
  }
}

/** Tells a disk that nothing of it is needed any more. What is read from it then is up to the disk. @returns whether it took it; a file never does */
export async function discardAll(path: string, isFile: boolean, size: Bytes): Promise<boolean> {
  if (isFile) return false;
  await using handle = await open(path, constants.O_WRONLY);
  return rangeCall(BLKDISCARD, handle, 0, size);
}

/** What the kernel cannot do, or could not do, is left to plain writes: they say what is wrong. */
const zeroOut = (handle: FileHandle, offset: Bytes, length: Bytes): boolean => rangeCall(BLKZEROOUT, handle, offset, length);

function rangeCall(request: bigint, handle: FileHandle, offset: Bytes, length: Bytes): boolean {
  const range = new BigUint64Array([BigInt(offset), BigInt(length)]);
  const { syscall } = dlopen("libc.so.6", {
    syscall: { arguments: ["i64", "i64", "u64", "buffer"], return: "i64" },
  }).functions;
  return Number(syscall(SYS.ioctl, BigInt(handle.fd), request, range)) === 0;
}

const punch = (handle: FileHandle, offset: Bytes, length: Bytes): boolean =>
  rawCall(SYS.fallocate, handle, [PUNCH_HOLE_KEEP_SIZE, BigInt(offset), BigInt(length)]) === 0;

/** @returns 0, or the error's number */
function rawCall(call: bigint, handle: FileHandle, [one, two, three]: readonly [bigint, bigint, bigint]): number {
  const { syscall, __errno_location } = dlopen("libc.so.6", {
    syscall: { arguments: ["i64", "i64", "i64", "i64", "i64"], return: "i64" },
    ...ERRNO_PLACE,
  }).functions;
  return Number(syscall(call, BigInt(handle.fd), one, two, three)) === 0 ? 0 : errnoAt(__errno_location);
}
