/** @portable The clock is never before the image's build, nor before the last time that this machine stored. docs/formats/stored-clock.md */
import { CLOCK_OFFSET, CLOCK_SIZE, decodeStoredClock, encodeStoredClock } from "../layout/stored-clock.ts";
import { parseRunFacts, RUN_FACTS_PATH } from "../layout/run-facts.ts";
import type { Sys } from "./sys.ts";

/** Sets the clock forward where it has to be. @param record device of the record partition */
export function setClockForward(sys: Sys, built: number, record: string | undefined): void {
  const earliest = Math.max(built, (record === undefined ? undefined : storedClock(sys, record)) ?? 0);
  if (sys.clock() < earliest) sys.setClock(earliest);
}

/** For a unit of the image: stores the time. @returns a sentence about what was done */
export function keepClock(sys: Sys): string {
  const { partitions } = parseRunFacts(sys.readText(RUN_FACTS_PATH));
  if (!partitions.record) return "there is no place for the time";
  const file = sys.open(partitions.record.device, "direct");
  sys.writeAt(file, CLOCK_OFFSET, encodeStoredClock(sys.clock()));
  sys.syncFile(file);
  sys.close(file);
  return "the time is stored";
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
