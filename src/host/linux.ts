/** System calls that Node lacks, by way of libc. Numbers are those of x86-64. */
import { dlopen } from "node:ffi";
import { mkdir, rmdir } from "node:fs/promises";
import { ERRNO_PLACE, errnoAt, errnoError } from "./errno.ts";

/** Source: linux/mount.h, linux/ioprio.h, linux/sched.h, unistd_64.h */
const MOUNT = { readOnly: 1n, noSuid: 2n, noDevices: 4n, noExec: 8n } as const;
const MNT_DETACH = 2;
const SYS_IOPRIO_SET = 251n;
const IOPRIO_WHO_PROCESS = 1n;
const IOPRIO_IDLE = 3n << 13n;
const SCHED_IDLE = 5;

const libc = () =>
  dlopen("libc.so.6", {
    mount: { arguments: ["string", "string", "string", "u64", "string"], return: "i32" },
    umount2: { arguments: ["string", "i32"], return: "i32" },
    syscall: { arguments: ["i64", "i64", "i64", "i64"], return: "i64" },
    sched_setscheduler: { arguments: ["i32", "i32", "buffer"], return: "i32" },
    ...ERRNO_PLACE,
  }).functions;

/** Ends this process when the one that started it does, however that ends. Source: prctl(2), PR_SET_PDEATHSIG */
export function dieWithParent(): void {
  const { prctl } = dlopen("libc.so.6", { prctl: { arguments: ["i32", "u64", "u64", "u64", "u64"], return: "i32" } }).functions;
  prctl(1, 9n, 0n, 0n, 0n);
}

/** From here on this process yields to every other, on the processor and on the disk. What the kernel refuses is done without. */
export function beIdle(): void {
  const { syscall, sched_setscheduler } = libc();
  sched_setscheduler(0, SCHED_IDLE, new Uint8Array(4));
  syscall(SYS_IOPRIO_SET, IOPRIO_WHO_PROCESS, 0n, IOPRIO_IDLE);
}

/**
 * Mounts an ext4 file system, until the scope ends. Its journal is not replayed: nothing is written.
 *
 * @throws Error with the kernel's errno
 */
export async function mountReadOnly(device: string, folder: string): Promise<Mounted> {
  return await mountAt(device, folder, { type: "ext4", access: MOUNT.readOnly, data: "noload" });
}

/** The same to be written to; what was written is durable once it is synced. @throws Error with the kernel's errno */
export async function mountWritable(device: string, folder: string): Promise<Mounted> {
  return await mountAt(device, folder, { type: "ext4", access: 0n, data: "errors=remount-ro" });
}

/** Mounts the root of an image, until the scope ends. What a killed process has left there goes. @throws Error with the kernel's errno */
export async function mountErofs(device: string, folder: string): Promise<Mounted> {
  libc().umount2(folder, MNT_DETACH);
  return await mountAt(device, folder, { type: "erofs", access: MOUNT.readOnly, data: "" });
}

type Mounted = { readonly path: string } & AsyncDisposable;

interface MountOptions {
  readonly type: "ext4" | "erofs";
  readonly access: bigint;
  readonly data: string;
}

async function mountAt(device: string, folder: string, { type, access, data }: MountOptions): Promise<Mounted> {
  const { mount, umount2, __errno_location } = libc();
  await mkdir(folder, { recursive: true });
  const flags = access | MOUNT.noSuid | MOUNT.noDevices | MOUNT.noExec;
  if (mount(device, folder, type, flags, data) !== 0) {
    const errno = errnoAt(__errno_location);
    await rmdir(folder).catch(() => {});
    throw errnoError(`${device} cannot be mounted`, errno);
  }
  return {
    path: folder,
    [Symbol.asyncDispose]: async () => {
      umount2(folder, MNT_DETACH);
      await rmdir(folder).catch(() => {});
    },
  };
}
