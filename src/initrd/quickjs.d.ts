/** The parts of QuickJS's modules that are used here. Source: QuickJS 2025-04-26, doc/quickjs.html, section 3.3 */
declare module "std" {
  interface File {
    readAsString(): string;
    /** Without its end; `null` where there is no more. */
    getline(): string | null;
    puts(text: string): void;
    flush(): void;
    close(): void;
  }
  /** `undefined` mode errors throw; a file that cannot be opened is `null`. */
  export function open(path: string, mode: string, error?: { errno?: number }): File | null;
  export function strerror(errno: number): string;
  export function getenviron(): Readonly<Record<string, string>>;
  export function exit(status: number): never;
  const input: File;
  export { input as in };
  export const out: File;
  export const err: File;
}

declare module "os" {
  interface Status {
    readonly mode: number;
    readonly uid: number;
    readonly gid: number;
    readonly dev: number;
    readonly size: number;
    /** In units of 512 bytes. */
    readonly blocks: number;
  }
  /** Names with `.` and `..`, and an errno that is 0 when all is well. */
  export function readdir(path: string): [names: string[], errno: number];
  export function lstat(path: string): [status: Status | null, errno: number];
  /** An errno that is 0 when all is well. */
  export function readlink(path: string): [target: string, errno: number];
  export function sleep(milliseconds: number): void;
  /** Milliseconds since boot, with fractions. */
  export function now(): number;
  /** Starts a program; of the descriptors it has none but the first three. @returns its process, or a negative errno */
  export function exec(
    argv: readonly string[],
    options: { readonly block: false; readonly usePath: false; readonly stdin: number },
  ): number;
  /** @returns the process, and its status as of waitpid(2) */
  export function waitpid(pid: number, options: number): [pid: number, status: number];
}

/** src/initrd/native.c */
declare module "native" {
  /** The result, or a negative errno. */
  export function syscall(number: number, ...values: (number | string | ArrayBuffer)[]): number;
  /** Memory that starts at a page, of at least `size` bytes. */
  export function buffer(size: number): ArrayBuffer;
  /** CRC-32 as in GPT of a text's bytes: a loop over megabytes takes seconds in the engine itself. */
  export function crc32(text: string): number;
  /** A negative errno, if it returns at all. */
  export function execve(path: string, values: readonly string[], environment: readonly string[]): number;
}

/** Arguments of the program, its own name first. */
declare const scriptArgs: readonly string[];
