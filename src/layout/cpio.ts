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

/** What a field for a size can say. */
export const CPIO_LARGEST_FILE: Bytes = 2 ** 32 - 1;

const HEADER: Bytes = 110;
const TRAILER = "TRAILER!!!";

/** What goes before and after the bytes of one large file, so that together they are an archive of it alone. */
export function encodeCpioAround(
  path: string,
  size: Bytes,
  time: number,
): { readonly before: Uint8Array; readonly after: Uint8Array } {
  const before = header(path, { index: 1, mode: CPIO_FILE | 0o644, time, size });
  const trailer = encodeCpio([], time);
  const after = new Uint8Array(alignUp(size, 4) - size + trailer.length);
  after.set(trailer, after.length - trailer.length);
  return { before, after };
}

/** Every file belongs to root. Inode numbers count up, times are `time` (seconds since 1970): equal input, equal bytes. */
export function encodeCpio(entries: readonly CpioEntry[], time: number): Uint8Array {
  const all: readonly CpioEntry[] = [...entries, { path: TRAILER, mode: 0 }];
  const size = all.reduce((sum, { path, data }) => sum + alignUp(HEADER + path.length + 1, 4) + alignUp(data?.length ?? 0, 4), 0);
  const archive = new Uint8Array(size);
  let at = 0;
  for (const [index, { path, mode, data = new Uint8Array(0), device }] of all.entries()) {
    const end = path === TRAILER;
    const head = header(path, { index: end ? 0 : index + 1, mode, time: end ? 0 : time, size: data.length, device });
    archive.set(head, at);
    at += head.length;
    archive.set(data, at);
    at += alignUp(data.length, 4);
  }
  return archive;
}

interface Header {
  readonly index: number;
  readonly mode: number;
  readonly time: number;
  readonly size: Bytes;
  readonly device?: readonly [major: number, minor: number] | undefined;
}

/** With its padding. */
function header(path: string, { index, mode, time, size, device = [0, 0] }: Header): Uint8Array {
  const links = (mode & CPIO_FOLDER) === CPIO_FOLDER ? 2 : 1;
  const fields = [index, mode, 0, 0, links, time, size, 0, 0, ...device, path.length + 1, 0];
  const text = `070701${fields.map((value) => value.toString(16).padStart(8, "0")).join("")}${path}\0`;
  const bytes = new Uint8Array(alignUp(text.length, 4));
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
