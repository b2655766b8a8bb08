/** @portable Memory, as the kernel counts it: `/proc/meminfo`. Source: proc_meminfo(5) */
import { KiB, type Bytes } from "../core/units.ts";

/** By the kernel's names: `MemTotal`. What has no unit (numbers of pages) and lines of another form are passed over. Never throws. */
export function parseMemInfo(text: string): ReadonlyMap<string, Bytes> {
  const found = [...text.matchAll(/^([A-Za-z0-9_()]{1,64}):[ \t]+(\d{1,12}) kB$/gm)];
  return new Map(found.map(([, name, kibibytes]) => [name!, Number(kibibytes) * KiB]));
}
