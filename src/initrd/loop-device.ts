/** @portable A part of a file as a block device, read-only and with direct I/O. */
import type { Bytes } from "../core/units.ts";
import { latin1Bytes } from "../layout/env-block.ts";
import type { Sys } from "./sys.ts";

/** Source: linux/loop.h */
const LOOP_CTL_GET_FREE = 0x4c82;
const LOOP_CONFIGURE = 0x4c0a;
const CONFIG = { size: 304, file: 0, blockSize: 4, info: 8 } as const;
const INFO = { offset: 24, sizeLimit: 32, flags: 52, fileName: 56 } as const;
const FLAGS = { readOnly: 1, directIo: 16 } as const;
/** Block size of EROFS and dm-verity, and a multiple of every disk's sectors, as direct I/O wants it. */
const BLOCK_SIZE: Bytes = 4096;
const FILE_NAME_SIZE = 64;

/** @returns the device node; it lasts until the machine stops */
export function attachLoop(sys: Sys, path: string, part: { readonly start: Bytes; readonly size: Bytes }): string {
  const control = sys.open("/dev/loop-control", "write");
  const device = `/dev/loop${sys.ioctl(control, LOOP_CTL_GET_FREE, 0)}`;
  sys.close(control);
  const file = sys.open(path, "read");
  const config = new Uint8Array(CONFIG.size);
  const view = new DataView(config.buffer);
  view.setUint32(CONFIG.file, file, true);
  view.setUint32(CONFIG.blockSize, BLOCK_SIZE, true);
  view.setBigUint64(CONFIG.info + INFO.offset, BigInt(part.start), true);
  view.setBigUint64(CONFIG.info + INFO.sizeLimit, BigInt(part.size), true);
  view.setUint32(CONFIG.info + INFO.flags, FLAGS.readOnly | FLAGS.directIo, true);
  config.set(latin1Bytes(path.slice(-(FILE_NAME_SIZE - 1))), CONFIG.info + INFO.fileName); // for people
  const loop = sys.open(device, "read");
  sys.ioctl(loop, LOOP_CONFIGURE, config);
  sys.close(loop);
  sys.close(file);
  return device;
}
