/** @portable What the programs for the API need of the kernel beside {@link Sys}: quickjs-calls.ts is a real one. Numbers are those of x86-64. */

/** Source: Linux, arch/x86/entry/syscalls/syscall_64.tbl */
export const NUMBERS = {
  ...{
    close: 3,
    poll: 7,
    dup2: 33,
    getpid: 39,
    socket: 41,
    fork: 57,
    chdir: 80,
    bind: 49,
    listen: 50,
    setsockopt: 54,
    chmod: 90,
    umask: 95,
    getppid: 110,
    setsid: 112,
    pivot_root: 155,
    umount2: 166,
  },
  ...{ setgroups: 116, setresuid: 117, setresgid: 119, capset: 126, mknod: 133, setpriority: 141, prctl: 157, unshare: 272 },
  ...{ prlimit64: 302, pidfd_open: 434, mount_setattr: 442 },
} as const;

export interface Calls {
  /** The result. @param what for messages @throws SysError */
  readonly call: (what: string, number: number, ...values: (number | string | ArrayBuffer)[]) => number;
  /** The same without a failure: a negative errno. */
  readonly attempt: (number: number, ...values: (number | string | ArrayBuffer)[]) => number;
  /** Starts a program with a descriptor as its standard input, and no others but output and errors. @returns its process */
  readonly spawn: (argv: readonly string[], input: number) => number;
  /** How a process has ended, that has: 0 where all was well. */
  readonly endOf: (pid: number) => number;
  /** Waits until any process that this one has started, or was left, has ended. @returns which, and its status as of waitpid(2) */
  readonly wait: () => readonly [pid: number, status: number];
  /** Replaces this program. */
  readonly exec: (argv: readonly string[], environment: readonly string[]) => never;
}
