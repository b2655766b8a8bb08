import { AppError } from "../core/error.ts";
import { formatSize, KiB, type Bytes } from "../core/units.ts";
import { readText } from "../host/files.ts";

/** @throws AppError `MEMORY_INSUFFICIENT` when the host cannot give a VM this much without swapping */
export async function requireMemory(wanted: Bytes): Promise<void> {
  const available = availableMemory(await readText("/proc/meminfo"));
  if (available === undefined || available >= wanted) return;
  throw new AppError(
    "MEMORY_INSUFFICIENT",
    `the VM wants ${formatSize(wanted)} and this machine has ${formatSize(available)} free`,
    {
      hint: "Give the VM less: --memory 512MiB.",
    },
  );
}

/** `MemAvailable` of /proc/meminfo (proc_meminfo(5)): what can be used without swapping. */
export function availableMemory(meminfo: string): Bytes | undefined {
  const kib = /^MemAvailable:\s+(\d+) kB$/m.exec(meminfo)?.[1];
  return kib === undefined ? undefined : Number(kib) * KiB;
}
