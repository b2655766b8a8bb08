/** @portable Gives the kernel's generator what the last boot left for it. docs/formats/random-seed.md */
import { decodeSeed, SEED_OFFSET, SEED_SIZE } from "../layout/random-seed.ts";
import type { Sys } from "./sys.ts";

/**
 * Mixes the stored seed in. It does not count as entropy: a disk may have been copied. The agent replaces it. Never throws.
 *
 * @param record device of the record partition
 */
export function mixSeed(sys: Sys, record: string): void {
  try {
    const from = sys.open(record, "direct");
    const seed = decodeSeed(sys.readAt(from, SEED_OFFSET, SEED_SIZE));
    sys.close(from);
    if (!seed) return;
    const to = sys.open("/dev/urandom", "write");
    sys.writeAt(to, 0, seed);
    sys.close(to);
  } catch {
    // The kernel has other sources; what cannot be read is said by whoever needs it.
  }
}
