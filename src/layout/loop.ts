/** @portable What the kernel is told of a loop device: a part of a file, read-only and with direct I/O. Source: linux/loop.h */
import type { Bytes } from "../core/units.ts";
import { latin1Bytes } from "./env-block.ts";

export const LOOP_CTL_GET_FREE = 0x4c82;
export const LOOP_CONFIGURE = 0x4c0a;
const CONFIG = { size: 304, file: 0, blockSize: 4, info: 8 } as const;
const INFO = { offset: 24, sizeLimit: 32, flags: 52, fileName: 56 } as const;
const FLAGS = { readOnly: 1, autoClear: 4, directIo: 16 } as const;
/** Block size of EROFS and dm-verity, and a multiple of every disk's sectors, as direct I/O wants it. */
const BLOCK_SIZE: Bytes = 4096;
const FILE_NAME_SIZE = 64;

interface LoopPart {
  /** Descriptor of the open file. */
  readonly file: number;
  /** For people. */
  readonly path: string;
  readonly start: Bytes;
  readonly size: Bytes;
  /** Whether the device is free again once nobody uses it. */
  readonly autoClear?: boolean;
}

/** `struct loop_config`, for {@link LOOP_CONFIGURE}. */
export function encodeLoopConfig({ file, path, start, size, autoClear = false }: LoopPart): Uint8Array {
  const config = new Uint8Array(CONFIG.size);
  const view = new DataView(config.buffer);
  view.setUint32(CONFIG.file, file, true);
  view.setUint32(CONFIG.blockSize, BLOCK_SIZE, true);
  view.setBigUint64(CONFIG.info + INFO.offset, BigInt(start), true);
  view.setBigUint64(CONFIG.info + INFO.sizeLimit, BigInt(size), true);
  view.setUint32(CONFIG.info + INFO.flags, FLAGS.readOnly | FLAGS.directIo | (autoClear ? FLAGS.autoClear : 0), true);
  config.set(latin1Bytes(path.slice(-(FILE_NAME_SIZE - 1))), CONFIG.info + INFO.fileName);
  return config;
}
