/** @portable Everything that early boot does to the machine, behind one interface: the steps are tested without one. */
import { AppError } from "../core/error.ts";
import type { Bytes } from "../core/units.ts";

export interface FileStatus {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: Bytes;
  /** Storage that the file has: less than its size where it has holes. */
  readonly stored: Bytes;
}
/** A file as a walk finds it: itself, never what it links to. To be used until the next one is found. */
export interface WalkedFile extends Pick<FileStatus, "mode" | "uid" | "gid"> {
  /** For messages. */
  readonly path: string;
  /** Names of extended attributes. */
  attributes(): string[];
  attribute(name: string): Uint8Array;
  setAttribute(name: string, value: Uint8Array): void;
  removeAttribute(name: string): void;
  /** The kernel takes capabilities and the set-user-id and set-group-id bits away, from anything but a folder. Source: chown(2) */
  setIds(uid: number, gid: number): void;
  /** Permission bits; not of a symbolic link. */
  setMode(mode: number): void;
  /** Those of chattr(1), of a file or folder: a sum of {@link FILE_FLAGS} and others. */
  flags(): number;
  setFlags(flags: number): void;
}
export interface MountOptions {
  readonly type?: string;
  /** Sum of {@link MOUNT_FLAGS}. */
  readonly flags?: number;
  readonly data?: string;
}

/** Calls throw {@link SysError}, unless they say otherwise. Files that are opened do not survive {@link Sys.exec}. */
export interface Sys {
  /** Milliseconds since the machine started. */
  now(): number;
  pause(milliseconds: number): void;
  /** Of the kernel's generator, once it has enough entropy. */
  random(bytes: number): Uint8Array;
  /** Seconds since 1970. */
  clock(): number;
  setClock(seconds: number): void;

  /** A line in the kernel's log; `error` also shows on every console. Never throws. */
  log(level: "info" | "error", line: string): void;
  /** The kernel's log, at most its last 64 KiB; empty where it cannot be read. Never throws. */
  kernelLog(): string;

  exists(path: string): boolean;
  readText(path: string): string;
  writeText(path: string, text: string): void;
  /** Names in a folder; none where there is no such folder. */
  list(path: string): string[];
  status(path: string): FileStatus;
  /** A folder that is there already is fine. */
  makeFolder(path: string, mode?: number): void;
  makeLink(path: string, target: string): void;
  /** Where a link leads, as it is written. */
  readLink(path: string): string;
  /** Within one file system; at once or not at all. */
  rename(from: string, to: string): void;
  /**
   * Removes a file, or a folder and everything below it, whatever the names are. It follows no link and enters no other file system; what
   * is not there is fine.
   *
   * @throws SysError when something is left
   */
  removeTree(path: string): void;
  /** Whether a folder of an overlay's upper layer hides the lower one's, because it was made anew. False for anything but a folder. */
  isOpaque(path: string): boolean;
  /** Owner and permission bits; of a link, as its mode says, its own owner. */
  setOwner(path: string, status: Pick<FileStatus, "mode" | "uid" | "gid">): void;
  /** A file, not a folder. */
  remove(path: string): void;
  /**
   * Every file and folder of the file system that `folder` is the root of, `folder` first; nothing that is mounted below it. Names may hold any
   * bytes, and paths be of any length.
   *
   * @param failed is told what cannot be read, which is left out
   */
  walk(folder: string, visit: (file: WalkedFile) => void, failed: (path: string, error: unknown) => void): void;

  /**
   * A folder can be opened to be read, and synced. `create`: an empty file, which only root may read; `new`: the same, where nothing is, not even a
   * link.
   */
  open(path: string, access: "read" | "write" | "direct" | "create" | "new"): number;
  close(file: number): void;
  /** Fewer bytes where the file ends. */
  readAt(file: number, offset: Bytes, length: Bytes): Uint8Array;
  writeAt(file: number, offset: Bytes, data: Uint8Array): void;
  /** A text in UTF-8, into an empty file. */
  writeTextTo(file: number, text: string): void;
  syncFile(file: number): void;
  /** @param data is passed by address and changed in place; a number by value */
  ioctl(file: number, request: number, data: Uint8Array | number): number;

  /** CRC-32 as in GPT, of a text of ASCII. */
  crc32(text: string): number;

  mount(source: string, target: string, options?: MountOptions): void;
  unmount(target: string): void;
  /**
   * Loads a driver from a file that holds it decompressed; one that is loaded already is fine. Its devices may appear after the call: a
   * controller that looks for disks holds nobody up.
   */
  loadModule(path: string, parameters: string): void;

  /** Makes `folder` the root, frees the memory of the old one. */
  switchRoot(folder: string): void;
  /** Replaces this program. */
  exec(program: string, values: readonly string[]): never;
  sync(): void;
  reboot(): never;
}

/** Source: linux/mount.h */
export const MOUNT_FLAGS = { readOnly: 1, noSuid: 2, noDevices: 4, noExec: 8, remount: 32, bind: 4096, move: 8192 } as const;

/** Files that cannot be changed. Source: linux/fs.h, FS_*_FL */
export const FILE_FLAGS = { immutable: 0x10, appendOnly: 0x20 } as const;

/** A system call that failed: what was tried, and the kernel's word for why. */
export class SysError extends AppError<"SYSTEM_CALL_FAILED"> {
  override readonly name = "SysError";
  readonly errno: number;
  constructor(what: string, errno: number, reason: string) {
    super("SYSTEM_CALL_FAILED", `${what}: ${reason}`);
    this.errno = errno;
  }
}

/** Source: asm-generic/errno-base.h, asm-generic/errno.h */
export const ERRNO = { notPermitted: 1, noEntry: 2, exists: 17, noDevice: 19, invalid: 22, notEmpty: 39 } as const;

/**
 * Asks until there is an answer or the time is over. Nothing in sysfs can be waited for, so it is asked again and again.
 *
 * @returns `undefined` when the time is over
 */
export function poll<T>(sys: Pick<Sys, "now" | "pause">, limitMs: number, ask: () => T | undefined): T | undefined {
  const end = sys.now() + limitMs;
  for (;;) {
    const answer = ask();
    if (answer !== undefined || sys.now() >= end) return answer;
    sys.pause(POLL_MS);
  }
}
const POLL_MS = 20;
