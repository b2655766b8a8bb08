/** @portable A part of a file as a block device, read-only and with direct I/O. */
import type { Bytes } from "../core/units.ts";
import { encodeLoopConfig, LOOP_CONFIGURE, LOOP_CTL_GET_FREE } from "../layout/loop.ts";
import type { Sys } from "./sys.ts";

/** @returns the device node; it lasts until the machine stops */
export function attachLoop(sys: Sys, path: string, part: { readonly start: Bytes; readonly size: Bytes }): string {
  const control = sys.open("/dev/loop-control", "write");
  const device = `/dev/loop${sys.ioctl(control, LOOP_CTL_GET_FREE, 0)}`;
  sys.close(control);
  const file = sys.open(path, "read");
  const loop = sys.open(device, "read");
  sys.ioctl(loop, LOOP_CONFIGURE, encodeLoopConfig({ file, path, ...part }));
  sys.close(loop);
  sys.close(file);
  return device;
}
