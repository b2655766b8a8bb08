/** The machine, by way of QuickJS and the native module. Numbers are those of x86-64. */
import * as native from "native";
import * as os from "os";
import * as std from "std";
import { latin1Text } from "../layout/env-block.ts";
import { ERRNO, MOUNT_FLAGS, SysError, type Sys } from "./sys.ts";

/** Source: Linux, arch/x86/entry/syscalls/syscall_64.tbl */
const CALL = {
  write: 1,
  open: 2,
  close: 3,
  ioctl: 16,
  pread64: 17,
  pwrite64: 18,
  fsync: 74,
  chdir: 80,
  rename: 82,
  mkdir: 83,
  rmdir: 84,
  unlink: 87,
  symlink: 88,
  chmod: 90,
  chown: 92,
  syslog: 103,
  chroot: 161,
  sync: 162,
  mount: 165,
  umount2: 166,
  reboot: 169,
  clock_settime: 227,
  finit_module: 313,
  getrandom: 318,
} as const;
const OPEN = { read: 0, write: 1, readWrite: 2, direct: 0o40000, closeOnExec: 0o2000000 } as const;
/** `SYSLOG_ACTION_READ_ALL` of syslog(2). */
const READ_ALL = 3;
const LOG_SIZE = 64 * 1024;
const REBOOT = { magic1: 0xfee1dead, magic2: 672274793, restart: 0x01234567 } as const;
const KERNEL_LOG = "/dev/kmsg";
/** Shows on consoles whatever the log level that `quiet` sets. */
const LEVEL = { info: 6, error: 2 } as const;
const FOLDER = 0o040000;
/** Unit of `st_blocks`. */
const STAT_BLOCK = 512;

export function quickJsSys(): Sys {
  const call = (what: string, number: number, ...values: (number | string | ArrayBuffer)[]): number => {
    const result = native.syscall(number, ...values);
    if (result < 0) throw new SysError(what, -result, std.strerror(-result));
    return result;
  };
  const open = (path: string, flags: number): number => call(`open ${path}`, CALL.open, path, flags | OPEN.closeOnExec, 0);
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
    rename: (from, to) => void call(`rename ${from}`, CALL.rename, from, to),
    setOwner: (path, { mode, uid, gid }) => {
      call(`chown ${path}`, CALL.chown, path, uid, gid);
      call(`chmod ${path}`, CALL.chmod, path, mode & 0o7777);
    },

    open: (path, access) => open(path, { read: OPEN.read, write: OPEN.readWrite, direct: OPEN.readWrite | OPEN.direct }[access]),
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
    syncFile: (file) => void call("sync", CALL.fsync, file),
    ioctl: (file, request, data) => {
      if (typeof data === "number") return call(`ioctl ${request.toString(16)}`, CALL.ioctl, file, request, data);
      const bytes = data.slice();
      const result = call(`ioctl ${request.toString(16)}`, CALL.ioctl, file, request, bytes.buffer);
      data.set(bytes);
      return result;
    },

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
      removeTree("/", os.lstat("/")[0]!.dev);
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

  /** Files of one file system, without following links or entering what is mounted: the old root is memory. */
  function removeTree(folder: string, device: number): void {
    for (const name of list(folder)) {
      const path = folder === "/" ? `/${name}` : `${folder}/${name}`;
      const [status] = os.lstat(path);
      if (!status || status.dev !== device) continue;
      if ((status.mode & 0o170000) === FOLDER) {
        removeTree(path, device);
        native.syscall(CALL.rmdir, path); // fails where something is mounted below, which stays
      } else {
        native.syscall(CALL.unlink, path);
      }
    }
  }
}

/** Texts for the kernel's log; anything but ASCII becomes `?`. */
function ascii(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (char) => (char.charCodeAt(0) < 128 ? char.charCodeAt(0) : 63));
}
