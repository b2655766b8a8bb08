/** @portable What came over a line, in words. */
import type { Bytes } from "../core/units.ts";

/** `downloaded 0.27 MB of 331 MB`. @param full of the whole image, packed */
export const downloadedText = (bytes: Bytes, full: Bytes): string => `downloaded ${megabytes(bytes)} of ${megabytes(full)}`;

/** Of a million bytes, as lines are measured, with three digits that say something. */
export function megabytes(bytes: Bytes): string {
  const value = bytes / 1e6;
  return `${value >= 100 ? Math.round(value) : value >= 10 ? value.toFixed(1) : value.toFixed(2)} MB`;
}
