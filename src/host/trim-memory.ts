import { dlopen } from "node:ffi";
import { readFileSync } from "node:fs";

/** Source: asm-generic/mman-common.h */
const MADV_DONTNEED = 4;

/**
 * Gives back what only the start needed: pages of programs and libraries, many of them read ahead and never used. Those that are used
 * again come back from the page cache, or from the disk.
 *
 * @param smaps of this process. Source: proc_pid_smaps(5)
 */
export function giveBackFilePages(smaps = readFileSync("/proc/self/smaps", "utf8")): void {
  const { functions } = dlopen("libc.so.6", { madvise: { arguments: ["u64", "u64", "i32"], return: "i32" } });
  for (const { start, length } of cleanFilePages(smaps)) functions.madvise(start, length, MADV_DONTNEED);
}

/**
 * Ranges that are the same in memory and in their file: they cannot be written, and never were. The relocated part of a library cannot be
 * written either by the time that it runs, but was: it has anonymous pages.
 */
export function cleanFilePages(smaps: string): { readonly start: bigint; readonly length: bigint }[] {
  const ranges = smaps.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  return ranges.flatMap((range) => {
    const match = /^([0-9a-f]+)-([0-9a-f]+) r-[x-]p \S+ \S+ [1-9]\d*\s+\/.*\n[^]*^Anonymous: +0 kB$/m.exec(range);
    if (!match) return [];
    const start = BigInt(`0x${match[1]}`);
    return [{ start, length: BigInt(`0x${match[2]}`) - start }];
  });
}
