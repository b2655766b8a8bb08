/** @portable The clock is never before the image's build, nor before the last time that this machine stored. docs/formats/stored-clock.md */
import { CLOCK_OFFSET, CLOCK_SIZE, decodeStoredClock } from "../layout/stored-clock.ts";
import type { Sys } from "./sys.ts";

/** Sets the clock forward where it has to be. @param record device of the record partition */
export function setClockForward(sys: Sys, built: number, record: string | undefined): void {
  const earliest = Math.max(built, (record === undefined ? undefined : storedClock(sys, record)) ?? 0);
  if (sys.clock() < earliest) sys.setClock(earliest);
}

function storedClock(sys: Sys, record: string): number | undefined {
  try {
    const file = sys.open(record, "direct");
    try {
      return decodeStoredClock(sys.readAt(file, CLOCK_OFFSET, CLOCK_SIZE));
    } finally {
      sys.close(file);
    }
  } catch {
    return undefined;
  }
}
