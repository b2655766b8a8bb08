/** The machine, by way of QuickJS and the native module. Numbers are those of x86-64. */
import * as native from "native";
import * as os from "os";
import * as std from "std";
import { latin1Text } from "../layout/env-block.ts";
import { walkFileSystem } from "./quickjs-walk.ts";
import { ERRNO, MOUNT_FLAGS, SysError, type Sys } from "./sys.ts";

/** Source: Linux, arch/x86/entry/syscalls/syscall_64.tbl */
const CALL = {
  write: 1,
  open: 2,
  close: 3,
  fstat: 5,
  lseek: 8,
  ioctl: 16,
  pread64: 17,
  pwrite64: 18,
  fsync: 74,
  chdir: 80,
  rename: 82,
  mkdir: 83,
  symlink: 88,
  chmod: 90,
  lchown: 94,
  syslog: 103,
  chroot: 161,
  sync: 162,
  mount: 165,
  umount2: 166,
  reboot: 169,
  lgetxattr: 192,
  getdents64: 217,
  clock_settime: 227,
  openat: 257,
  unlinkat: 263,
  renameat: 264,
  finit_module: 313,
  getrandom: 318,
} as const;
const OPEN = {
  read: 0,
  write: 1,
  readWrite: 2,
  create: 0o100,
  truncate: 0o1000,
  direct: 0o40000,
  exclusive: 0o200,
  folder: 0o200000,
  noFollow: 0o400000,
  closeOnExec: 0o2000000,
} as const;
/** `AT_FDCWD`: names are absolute. */
const NO_FOLDER = -100;
const AT_REMOVEDIR = 0x200;
/** Offsets in `struct linux_dirent64`. Source: getdents(2) */
const ENTRY = { length: 16, name: 19 } as const;
const NAMES_SIZE = 32 * 1024;
const STATUS_SIZE = 144; // `struct stat`, which starts with the device
const ACCESS = {
  read: OPEN.read,
  write: OPEN.readWrite,
  direct: OPEN.readWrite | OPEN.direct,
  create: OPEN.readWrite | OPEN.create | OPEN.truncate,
  new: OPEN.readWrite | OPEN.create | OPEN.exclusive,
} as const;
/** `SYSLOG_ACTION_READ_ALL` of syslog(2). */
const READ_ALL = 3;
const LOG_SIZE = 64 * 1024;
const REBOOT = { magic1: 0xfee1dead, magic2: 672274793, restart: 0x01234567 } as const;
const KERNEL_LOG = "/dev/kmsg";
const OPAQUE = "trusted.overlay.opaque";
/** Shows on consoles whatever the log level that `quiet` sets. */
const LEVEL = { info: 6, error: 2 } as const;
const TYPE = 0o170000;
const LINK = 0o120000;
/** Unit of `st_blocks`. */
const STAT_BLOCK = 512;

/** A removal that is under way. */
interface Removal {
  /** The folder it began with. */
  readonly top: number;
  /** The file system that is not left. */
  readonly device: bigint;
  readonly depth: number;
  readonly moved: { count: number };
}
/** How many folders are open at once. */
const DEPTH = 64;

export function quickJsSys(): Sys {
  const call = (what: string, number: number, ...values: (number | string | ArrayBuffer)[]): number => {
    const result = native.syscall(number, ...values);
    if (result < 0) throw new SysError(what, -result, std.strerror(-result));
    return result;
  };
  const open = (path: string, flags: number): number => call(`open ${path}`, CALL.open, path, flags | OPEN.closeOnExec, 0o600);
  const close = (file: number): void => void native.syscall(CALL.close, file);
  const textFile = (path: string, mode: string): NonNullable<ReturnType<typeof std.open>> => {
    const error: { errno?: number } = {};
    const file = std.open(path, mode, error);
    if (!file) throw new SysError(`open ${path}`, error.errno ?? 0, std.strerror(error.errno ?? 0));
    return file;
  };
  const list = (path: string): string[] => os.readdir(path)[0].filter((name) => name !== "." && name !== "..");

  return {
    now: () => os.now(),
    pause: (milliseconds) => os.sleep(milliseconds),
    random: (bytes) => {
      const memory = native.buffer(bytes);
      return new Uint8Array(memory, 0, call("getrandom", CALL.getrandom, memory, bytes, 0)).slice();
    },
    clock: () => Date.now() / 1000,
    setClock: (seconds) => {
      const time = new DataView(new ArrayBuffer(16));
      time.setBigInt64(0, BigInt(Math.floor(seconds)), true);
      call("set the clock", CALL.clock_settime, 0, time.buffer);
    },

    log: (level, line) => {
      const text = `petrify: ${line}`;
      const bytes = ascii(`<${LEVEL[level]}>${text}\n`);
      const file = native.syscall(CALL.open, KERNEL_LOG, OPEN.write | OPEN.closeOnExec, 0);
      const written = file < 0 ? file : native.syscall(CALL.write, file, bytes.buffer, bytes.length);
      if (file >= 0) close(file);
      if (written >= 0) return;
      std.err.puts(`${text}\n`);
      std.err.flush();
    },
    kernelLog: () => {
      const memory = native.buffer(LOG_SIZE);
      return latin1Text(new Uint8Array(memory, 0, Math.max(0, native.syscall(CALL.syslog, READ_ALL, memory, LOG_SIZE))));
    },

    exists: (path) => os.lstat(path)[0] !== null,
    readText: (path) => {
      const file = textFile(path, "r");
      try {
        return file.readAsString(); // std.loadFile fails on files of /proc and /sys, which say that they are empty
      } finally {
        file.close();
      }
    },
    writeText: (path, text) => {
      const file = textFile(path, "w");
      file.puts(text);
      file.close();
    },
    list,
    status: (path) => {
      const [status, errno] = os.lstat(path);
      if (!status) throw new SysError(`stat ${path}`, errno, std.strerror(errno));
      return { ...status, stored: status.blocks * STAT_BLOCK };
    },
    makeFolder: (path, mode = 0o755) => {
      const result = native.syscall(CALL.mkdir, path, mode);
      if (result < 0 && result !== -ERRNO.exists) throw new SysError(`mkdir ${path}`, -result, std.strerror(-result));
    },
    makeLink: (path, target) => void call(`link ${path}`, CALL.symlink, target, path),
    readLink: (path) => {
      const [target, errno] = os.readlink(path);
      if (errno !== 0) throw new SysError(`read the link ${path}`, errno, std.strerror(errno));
      return target;
    },
    rename: (from, to) => void call(`rename ${from}`, CALL.rename, from, to),
    removeTree: (path) => {
      if (removeEntry(NO_FOLDER, path) || os.lstat(path)[0] === null) return;
      throw new SysError(`remove ${path}`, ERRNO.notEmpty, "something in it cannot be removed");
    },
    isOpaque: (path) => {
      const value = native.buffer(1);
      return native.syscall(CALL.lgetxattr, path, OPAQUE, value, 1) === 1 && new Uint8Array(value)[0] === 0x79; // y
    },
    setOwner: (path, { mode, uid, gid }) => {
      call(`chown ${path}`, CALL.lchown, path, uid, gid);
      if ((mode & TYPE) !== LINK) call(`chmod ${path}`, CALL.chmod, path, mode & 0o7777);
    },

    remove: (path) => void call(`remove ${path}`, CALL.unlinkat, NO_FOLDER, path, 0),
    walk: (folder, visit, failed) => walkFileSystem(call, folder, visit, failed),

    open: (path, access) => open(path, ACCESS[access]),
    close,
    readAt: (file, offset, length) => {
      const memory = native.buffer(length);
      return new Uint8Array(memory, 0, call("read", CALL.pread64, file, memory, length, offset));
    },
    writeAt: (file, offset, data) => {
      const memory = native.buffer(data.length);
      new Uint8Array(memory).set(data);
      const written = call("write", CALL.pwrite64, file, memory, data.length, offset);
      if (written !== data.length) throw new SysError("write", 0, `only ${written} of ${data.length} bytes`);
    },
    writeTextTo: (file, text) => {
      const size = utf8Size(text);
      const written = call("write", CALL.write, file, text, size);
      if (written !== size) throw new SysError("write", 0, `only ${written} of ${size} bytes`);
    },
    syncFile: (file) => void call("sync", CALL.fsync, file),
    ioctl: (file, request, data) => {
      if (typeof data === "number") return call(`ioctl ${request.toString(16)}`, CALL.ioctl, file, request, data);
      const bytes = data.slice();
      const result = call(`ioctl ${request.toString(16)}`, CALL.ioctl, file, request, bytes.buffer);
      data.set(bytes);
      return result;
    },

    crc32: (text) => native.crc32(text),

    mount: (source, target, { type = "", flags = 0, data = "" } = {}) =>
      void call(`mount ${source} on ${target}`, CALL.mount, source, target, type, flags, data),
    unmount: (target) => void call(`unmount ${target}`, CALL.umount2, target, 0),
    loadModule: (path, parameters) => {
      const file = open(path, OPEN.read);
      const result = native.syscall(CALL.finit_module, file, `async_probe ${parameters}`, 0);
      close(file);
      if (result < 0 && result !== -ERRNO.exists) throw new SysError(`load ${path}`, -result, std.strerror(-result));
    },

    switchRoot: (folder) => {
      removeFolder(NO_FOLDER, "/"); // memory; what is mounted stays
      call(`enter ${folder}`, CALL.chdir, folder);
      call(`move ${folder} to /`, CALL.mount, folder, "/", "", MOUNT_FLAGS.move, "");
      call("change root", CALL.chroot, ".");
      call("enter /", CALL.chdir, "/");
    },
    exec: (program, values) => {
      std.out.flush();
      std.err.flush();
      const environment = Object.entries(std.getenviron()).map(([name, value]) => `${name}=${value}`);
      const errno = -native.execve(program, values, environment);
      throw new SysError(`start ${program}`, errno, std.strerror(errno));
    },
    sync: () => void native.syscall(CALL.sync),
    reboot: () => {
      native.syscall(CALL.reboot, REBOOT.magic1, REBOOT.magic2, REBOOT.restart, 0);
      return std.exit(1); // the kernel panics when init ends, and reboots by `panic=`
    },
  };

  /** @returns whether the entry is gone */
  function removeEntry(folder: number, name: string | ArrayBuffer, within?: Removal): boolean {
    if (native.syscall(CALL.unlinkat, folder, name, 0) >= 0) return true;
    if (within && within.depth === DEPTH) {
      // Whoever may write to a folder may nest more of them than there is stack: what is deep is moved up, and met again there.
      return native.syscall(CALL.renameat, folder, name, within.top, `.petrify-${within.moved.count++}`) >= 0;
    }
    removeFolder(folder, name, within);
    return native.syscall(CALL.unlinkat, folder, name, AT_REMOVEDIR) >= 0; // fails where something is left, or is mounted
  }

  /** Everything below a folder. Names are bytes: what is no UTF-8 goes as well. */
  function removeFolder(above: number, name: string | ArrayBuffer, within?: Removal): void {
    const flags = OPEN.read | OPEN.folder | OPEN.noFollow | OPEN.closeOnExec;
    const folder = native.syscall(CALL.openat, above, name, flags, 0);
    if (folder < 0) return;
    const device = deviceOf(folder);
    const here = within ? { ...within, depth: within.depth + 1 } : { top: folder, device, depth: 0, moved: { count: 0 } };
    if (device === here.device) while (removeNames(folder, here) > 0); // until nothing more goes: names move meanwhile
    close(folder);
  }

  /** Goes through a folder once. @returns how many entries are gone */
  function removeNames(folder: number, within: Removal): number {
    const memory = native.buffer(NAMES_SIZE);
    const view = new DataView(memory);
    let gone = 0;
    native.syscall(CALL.lseek, folder, 0, 0);
    for (;;) {
      const size = native.syscall(CALL.getdents64, folder, memory, NAMES_SIZE);
      if (size <= 0) return gone;
      for (let at = 0; at < size; at += view.getUint16(at + ENTRY.length, true)) {
        const name = memory.slice(at + ENTRY.name, at + view.getUint16(at + ENTRY.length, true)); // ends with NUL
        const text = latin1Text(new Uint8Array(name)).split("\0", 1)[0];
        if (text !== "." && text !== ".." && removeEntry(folder, name, within)) gone++;
      }
    }
  }
}

/** The file system that an open file is on. */
function deviceOf(file: number): bigint {
  const status = native.buffer(STATUS_SIZE);
  return native.syscall(CALL.fstat, file, status) < 0 ? -1n : new DataView(status).getBigUint64(0, true);
}

/** Bytes that the engine makes of a text for a system call: UTF-8, of half a pair three. */
function utf8Size(text: string): number {
  if (/^[\0-\u007f]*$/.test(text)) return text.length; // most are, and it is much faster
  let size = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.codePointAt(at)!;
    size += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (code >= 0x10000) at++;
  }
  return size;
}

/** Texts for the kernel's log; anything but ASCII becomes `?`. */
function ascii(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (char) => (char.charCodeAt(0) < 128 ? char.charCodeAt(0) : 63));
}
