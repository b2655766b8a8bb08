/** @portable An image that came with the initrd. docs/concepts/ram.md */
import { AppError } from "../core/error.ts";
import { alignUp, formatSize, KiB, MiB, type Bytes } from "../core/units.ts";
import { RAM_IMAGE, type RamArguments } from "../layout/cmdline.ts";
import { memoryForImage } from "../layout/netboot.ts";
import type { Sys } from "./sys.ts";

/** An allowance for what kernel and firmware keep of what is built in: with no more than that missing, nobody knows whether it is memory that is short. */
const KEPT: Bytes = 128 * MiB;

/**
 * The kernel unpacks an initrd as far as memory goes and says no more of it: what is missing would show as damage.
 *
 * @throws AppError `MEMORY_INSUFFICIENT`, `IMAGE_MISSING`
 */
export function requireWholeImage(sys: Sys, { size, memory: wanted }: Pick<RamArguments, "size" | "memory">): void {
  const file = sys.exists(RAM_IMAGE) ? sys.status(RAM_IMAGE) : undefined;
  // The kernel gives the file its size first; what did not fit is a hole.
  const there = Math.min(file?.size ?? 0, file?.stored ?? 0);
  if (there === size) return;
  const memory = memoryOf(sys);
  const needed = wanted ?? memoryForImage(size);
  if (memory !== undefined && memory + KEPT < needed) {
    const what = `only ${formatSize(there)} of the image's ${formatSize(size)} found room in ${formatSize(memory)} of memory`;
    // Firmware or a boot loader may have kept more than was thought: the kernel gives half of what is more to the image.
    const enough = Math.max(needed, alignUp(memory + 2 * (size - there), 64 * MiB));
    throw new AppError("MEMORY_INSUFFICIENT", what, { hint: `Give the machine ${formatSize(enough)}` });
  }
  throw new AppError("IMAGE_MISSING", `the initrd holds ${there} of the image's ${size} bytes`, {
    hint: `Take initrd and command line of one build, and copy the initrd again: it may be damaged. It needs ${formatSize(needed)} of memory`,
  });
}

/** What the kernel has to give; less than what is built in. */
function memoryOf(sys: Sys): Bytes | undefined {
  const kib = /^MemTotal:\s+(\d+) kB$/m.exec(sys.readText("/proc/meminfo"))?.[1];
  return kib === undefined ? undefined : Number(kib) * KiB;
}
