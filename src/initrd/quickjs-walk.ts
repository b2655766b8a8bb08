/**
 * A walk over a file system, folder by folder: the working directory goes along, so that names are short however long a path is, and
 * names stay the bytes that they are. Numbers and structures are those of x86-64.
 */
import { latin1Text } from "../layout/env-block.ts";
import type { Sys, WalkedFile } from "./sys.ts";

/** Throws {@link SysError}. */
export type Call = (what: string, number: number, ...values: (number | string | ArrayBuffer)[]) => number;

/** Source: Linux, arch/x86/entry/syscalls/syscall_64.tbl */
const CALL = {
  open: 2,
  close: 3,
  lstat: 6,
  ioctl: 16,
  chdir: 80,
  fchdir: 81,
  chmod: 90,
  lchown: 94,
  lsetxattr: 189,
  lgetxattr: 192,
  llistxattr: 195,
  lremovexattr: 198,
  getdents64: 217,
} as const;
const OPEN = { nonBlocking: 0o4000, folder: 0o200000, noFollow: 0o400000, closeOnExec: 0o2000000 } as const;
/** Source: linux/fs.h */
const FLAGS = { get: 0x80086601, set: 0x40086602 } as const;
const TYPE = 0o170000;
const FOLDER = 0o040000;
/** As large as a list of attributes, or one, can be. Source: linux/limits.h */
const BUFFER = 64 * 1024;
const HERE = latin1Name(".");
const ABOVE = latin1Name("..");

/** A name ends with a zero byte. */
type Name = ArrayBuffer;
interface Folder {
  readonly path: string;
  /** What is still to be visited. */
  readonly names: Name[];
}

export function walkFileSystem(call: Call, top: string, ...[visit, failed]: Tail<Parameters<Sys["walk"]>>): void {
  const status = new DataView(new ArrayBuffer(256));
  const buffer = new ArrayBuffer(BUFFER);
  let folder: Folder = { path: top, names: [] };
  let name: Name = HERE;
  let path = top; // of `name`, for messages
  const opened = <T>(flags: number, use: (file: number) => T): T => {
    const file = call(`open ${path}`, CALL.open, name, flags | OPEN.noFollow | OPEN.nonBlocking | OPEN.closeOnExec, 0);
    try {
      return use(file);
    } finally {
      call("close", CALL.close, file);
    }
  };
  /** Source: struct stat, asm/stat.h */
  const look = (): { device: bigint; mode: number; uid: number; gid: number } => {
    call(`stat ${path}`, CALL.lstat, name, status.buffer);
    const [mode, uid, gid] = [status.getUint32(24, true), status.getUint32(28, true), status.getUint32(32, true)];
    return { device: status.getBigUint64(0, true), mode, uid, gid };
  };
  const fileOf = (found: Pick<WalkedFile, "mode" | "uid" | "gid">): WalkedFile => ({
    ...found,
    path,
    attributes: () => {
      const size = call(`attributes of ${path}`, CALL.llistxattr, name, buffer, BUFFER);
      return size === 0 ? [] : latin1Text(new Uint8Array(buffer, 0, size - 1)).split("\0");
    },
    attribute: (attribute) => {
      const size = call(`read ${attribute} of ${path}`, CALL.lgetxattr, name, attribute, buffer, BUFFER);
      return new Uint8Array(buffer, 0, size).slice();
    },
    setAttribute: (attribute, value) => {
      const bytes = value.slice();
      call(`set ${attribute} of ${path}`, CALL.lsetxattr, name, attribute, bytes.buffer, bytes.length, 0);
    },
    removeAttribute: (attribute) => void call(`remove ${attribute} of ${path}`, CALL.lremovexattr, name, attribute),
    setIds: (uid, gid) => void call(`chown ${path}`, CALL.lchown, name, uid, gid),
    setMode: (mode) => void call(`chmod ${path}`, CALL.chmod, name, mode & 0o7777),
    flags: () =>
      opened(0, (file) => {
        call(`flags of ${path}`, CALL.ioctl, file, FLAGS.get, buffer);
        return new DataView(buffer).getUint32(0, true);
      }),
    setFlags: (flags) =>
      opened(0, (file) => {
        new DataView(buffer).setUint32(0, flags, true);
        call(`set flags of ${path}`, CALL.ioctl, file, FLAGS.set, buffer);
      }),
  });
  /** Makes it the working directory. Nothing is changed when it fails. */
  const enter = (): Folder => {
    return opened(OPEN.folder, (file) => {
      const names: Name[] = [];
      for (;;) {
        const size = call(`list ${path}`, CALL.getdents64, file, buffer, BUFFER);
        if (size === 0) break;
        names.push(...namesIn(buffer, size));
      }
      call(`enter ${path}`, CALL.fchdir, file);
      return { path, names };
    });
  };

  call(`enter ${top}`, CALL.chdir, top);
  const start = look();
  visit(fileOf(start));
  folder = enter();
  const above: Folder[] = [];
  for (;;) {
    const next = folder.names.pop();
    if (!next) {
      const parent = above.pop();
      if (!parent) break;
      call(`leave ${folder.path}`, CALL.chdir, ABOVE);
      folder = parent;
      continue;
    }
    name = next;
    path = `${folder.path}/${latin1Text(new Uint8Array(name, 0, name.byteLength - 1))}`;
    try {
      const found = look();
      if (found.device !== start.device) continue;
      visit(fileOf(found));
      if ((found.mode & TYPE) !== FOLDER) continue;
      const inner = enter();
      above.push(folder);
      folder = inner;
    } catch (error) {
      failed(path, error);
    }
  }
  call("enter /", CALL.chdir, "/");
}

/** Source: getdents(2), struct linux_dirent64 */
function* namesIn(buffer: ArrayBuffer, size: number): Generator<Name> {
  const view = new DataView(buffer);
  const bytes = new Uint8Array(buffer);
  for (let at = 0; at < size; at += view.getUint16(at + 16, true)) {
    const start = at + 19;
    const end = bytes.indexOf(0, start);
    const dots = end - start <= 2 && bytes.subarray(start, end).every((byte) => byte === 46);
    if (!dots) yield buffer.slice(start, end + 1);
  }
}

function latin1Name(text: string): Name {
  return Uint8Array.from(`${text}\0`, (character) => character.charCodeAt(0)).buffer;
}

type Tail<T extends readonly unknown[]> = T extends readonly [unknown, ...infer Rest] ? Rest : never;
