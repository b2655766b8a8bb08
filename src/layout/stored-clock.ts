/** @portable The last time a machine knew, for machines whose clock stops without power. docs/formats/stored-clock.md */
import { KiB, type Bytes } from "../core/units.ts";
import { decodeCheckedText, encodeCheckedText } from "./checked-text.ts";

/** In the record partition. */
export const CLOCK_OFFSET: Bytes = 192 * KiB;
export const CLOCK_SIZE: Bytes = 4 * KiB;

const SIGNATURE = "petrify-clock 1";

/** {@link CLOCK_SIZE} bytes, all that counts in the first 512. @param seconds since 1970 */
export const encodeStoredClock = (seconds: number): Uint8Array => encodeCheckedText(SIGNATURE, `time: ${Math.floor(seconds)}\n`);

/** Seconds since 1970; nothing where there is no time, or not a whole one. Never throws. */
export function decodeStoredClock(block: Uint8Array): number | undefined {
  const digits = /^time: (\d{1,12})$/m.exec(decodeCheckedText(SIGNATURE, block) ?? "")?.[1];
  return digits === undefined ? undefined : Number(digits);
}
