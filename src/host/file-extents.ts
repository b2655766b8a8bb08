import { dlopen } from "node:ffi";
import { open } from "node:fs/promises";
import { AppError } from "../core/error.ts";
import type { Bytes } from "../core/units.ts";
import { ERRNO, ERRNO_PLACE, errnoAt, errnoError } from "./errno.ts";

/** A run of a file's bytes that lie one after the other on the device. */
export interface FileExtent {
  readonly start: Bytes;
  readonly size: Bytes;
}

/** Source: linux/fiemap.h, linux/fs.h (FS_IOC_FIEMAP), unistd_64.h */
const SYS_IOCTL = 16n;
const FS_IOC_FIEMAP = 0xc020660bn;
const FLAG_SYNC = 1;
const HEADER = 32;
const EXTENT = 56;
const MAX_EXTENTS = 512;
const LAST = 0x1;
/** Where the bytes are is not known, or not for good, or nothing is written there yet. */
const UNUSABLE = 0x2 | 0x4 | 0x8 | 0x80 | 0x100 | 0x200 | 0x400 | 0x800 | 0x2000;

/**
 * Where a file's bytes lie on the device of its file system, all of them, as written blocks: they can be overwritten there without the file system
 * having a part in it.
 *
 * @throws AppError `FILE_NOT_IN_PLACE` when a part of the file has no place of its own on the device, `FILE_PLACE_UNKNOWN` where the file system does not
 *   say; NodeJS.ErrnoException
 */
export async function fileExtents(path: string): Promise<{ readonly size: Bytes; readonly extents: readonly FileExtent[] }> {
  await using file = await open(path, "r");
  const { size } = await file.stat();
  const extents: FileExtent[] = [];
  const notInPlace = (why: string): never => {
    throw new AppError("FILE_NOT_IN_PLACE", `${path} cannot be overwritten in place: ${why}`);
  };
  const { syscall, __errno_location } = dlopen("libc.so.6", {
    syscall: { arguments: ["i64", "i64", "u64", "buffer"], return: "i64" },
    ...ERRNO_PLACE,
  }).functions;
  for (let done = 0, isLast = false; !isLast;) {
    const request = new Uint8Array(HEADER + MAX_EXTENTS * EXTENT);
    const view = new DataView(request.buffer);
    view.setBigUint64(0, BigInt(done), true);
    view.setBigUint64(8, 0xffff_ffff_ffff_ffffn - BigInt(done), true);
    view.setUint32(16, FLAG_SYNC, true);
    view.setUint32(24, MAX_EXTENTS, true);
    if (Number(syscall(SYS_IOCTL, BigInt(file.fd), FS_IOC_FIEMAP, request)) !== 0) {
      const errno = errnoAt(__errno_location);
      if (errno !== ERRNO.EOPNOTSUPP && errno !== ERRNO.ENOTTY) throw errnoError(`${path} cannot be located`, errno);
      throw new AppError(
        "FILE_PLACE_UNKNOWN",
        `${path} cannot be overwritten in place: its file system does not say where it is`,
      );
    }
    const found = view.getUint32(20, true);
    if (found === 0) break;
    for (let index = 0; index < found; index++) {
      const at = HEADER + index * EXTENT;
      const [logical, start, length] = [0, 8, 16].map((field) => Number(view.getBigUint64(at + field, true))) as [
        number,
        number,
        number,
      ];
      const flags = view.getUint32(at + 40, true);
      if ((flags & UNUSABLE) !== 0) notInPlace(`its bytes from ${logical} on are not on the disk`);
      if (logical !== done) notInPlace(`nothing is written from ${done} on`);
      extents.push({ start, size: length });
      done = logical + length;
      isLast = (flags & LAST) !== 0;
    }
  }
  const covered = extents.reduce((sum, extent) => sum + extent.size, 0);
  if (covered < size) notInPlace(`nothing is written from ${covered} on`);
  return { size, extents };
}
