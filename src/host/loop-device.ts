import { dlopen } from "node:ffi";
import { open, type FileHandle } from "node:fs/promises";
import type { Bytes } from "../core/units.ts";
import { encodeLoopConfig, LOOP_CONFIGURE, LOOP_CTL_GET_FREE } from "../layout/loop.ts";
import { ERRNO, ERRNO_PLACE, errnoAt, errnoError, errnoOf } from "./errno.ts";

/** Source: unistd_64.h */
const SYS_IOCTL = 16n;
/** Others take devices, too. */
const TRIES = 20;

/** A part of a file as a block device, read-only and with direct I/O. */
export interface LoopDevice extends AsyncDisposable {
  /** It is free again when this is disposed of and nothing of it is mounted. */
  readonly path: string;
}

/** @throws NodeJS.ErrnoException; Error with the kernel's errno */
export async function attachLoop(path: string, part: { readonly start: Bytes; readonly size: Bytes }): Promise<LoopDevice> {
  await using control = await open("/dev/loop-control", "r+");
  await using file = await open(path, "r");
  for (let tries = TRIES; ; tries--) {
    const device = `/dev/loop${ioctl(control, LOOP_CTL_GET_FREE, new Uint8Array(8))}`;
    await using scope = new AsyncDisposableStack();
    const loop = scope.use(await open(device, "r"));
    try {
      ioctl(loop, LOOP_CONFIGURE, encodeLoopConfig({ file: file.fd, path, ...part, autoClear: true }));
    } catch (error) {
      if (errnoOf(error) !== ERRNO.EBUSY || tries === 0) throw error;
      continue;
    }
    const kept = scope.move();
    return { path: device, [Symbol.asyncDispose]: async () => await kept.disposeAsync() };
  }
}

/** @throws Error with the kernel's errno */
function ioctl(handle: FileHandle, request: number, argument: Uint8Array): number {
  const { syscall, __errno_location } = dlopen("libc.so.6", {
    syscall: { arguments: ["i64", "i64", "u64", "buffer"], return: "i64" },
    ...ERRNO_PLACE,
  }).functions;
  const result = Number(syscall(SYS_IOCTL, BigInt(handle.fd), BigInt(request), argument));
  if (result < 0) throw errnoError("no loop device can be had", errnoAt(__errno_location));
  return result;
}
