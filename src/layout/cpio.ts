/** @portable Archives in cpio's "newc" format, as the kernel unpacks them. Source: Linux, Documentation/driver-api/early-userspace/buffer-format.rst */
import { alignUp, type Bytes } from "../core/units.ts";

export interface CpioEntry {
  /** Relative, without `./`: `lib/modules/loop.ko`. Folders come before what is in them. */
  readonly path: string;
  /** Type and permission bits: {@link CPIO_FOLDER}, {@link CPIO_FILE} or {@link CPIO_CHARACTER} with, say, `0o755`. */
  readonly mode: number;
  readonly data?: Uint8Array;
  /** Of a device node. */
  readonly device?: readonly [major: number, minor: number];
}
export const CPIO_FOLDER = 0o040000;
export const CPIO_FILE = 0o100000;
export const CPIO_CHARACTER = 0o020000;

const HEADER: Bytes = 110;
const TRAILER = "TRAILER!!!";

/** Every file belongs to root. Inode numbers count up, times are `time` (seconds since 1970): equal input, equal bytes. */
export function encodeCpio(entries: readonly CpioEntry[], time: number): Uint8Array {
  const all: readonly CpioEntry[] = [...entries, { path: TRAILER, mode: 0 }];
  const size = all.reduce((sum, { path, data }) => sum + alignUp(HEADER + path.length + 1, 4) + alignUp(data?.length ?? 0, 4), 0);
  const archive = new Uint8Array(size);
  let at = 0;
  for (const [index, { path, mode, data = new Uint8Array(0), device = [0, 0] }] of all.entries()) {
    const end = path === TRAILER;
    const fields = [
      ...[end ? 0 : index + 1, mode, 0, 0, (mode & CPIO_FOLDER) === CPIO_FOLDER ? 2 : 1, end ? 0 : time, data.length],
      ...[0, 0, ...device, path.length + 1, 0],
    ];
    const header = `070701${fields.map((value) => value.toString(16).padStart(8, "0")).join("")}${path}\0`;
    for (let i = 0; i < header.length; i++) archive[at + i] = header.charCodeAt(i);
    at += alignUp(header.length, 4);
    archive.set(data, at);
    at += alignUp(data.length, 4);
  }
  return archive;
}
