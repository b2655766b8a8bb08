/** What a base tells of its age, in seconds since 1970. */
export interface TimeFacts {
  /** When the image says it was made. */
  readonly created: number | undefined;
  /** Of its newest file; 0 where none has a time. */
  readonly newest: number;
  readonly now: number;
}

/** 1980-01-01: no file system of an image has an earlier date (FAT begins there). */
const EARLIEST = 315_532_800;
const date = (seconds: number): string => new Date(seconds * 1000).toISOString().slice(0, 10);

/**
 * The date of an image's content: when the base was made, else that of its newest file; never in the future, where no clock can be before it.
 *
 * @returns and what there is to say about it
 */
export function baseTime({ created, newest, now }: TimeFacts): { readonly time: number; readonly note?: string } {
  const told = created ?? newest;
  if (told > now)
    return {
      time: now,
      note: `the base is dated ${date(Math.min(told, 253_402_300_799))}, in the future: its files get the date of today`,
    };
  if (told >= EARLIEST) return { time: told };
  return { time: EARLIEST, note: `nothing in the base tells when it was made: its files get the date ${date(EARLIEST)}` };
}
