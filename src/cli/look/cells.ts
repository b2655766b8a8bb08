/** What the tables of a machine's system are made of. */
import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";
import { formatSize, formatSpan } from "../../core/units.ts";

/** What is not there. */
const NONE = "-";

export const sizeCell = (bytes: bigint | undefined): string => (bytes === undefined ? NONE : formatSize(Number(bytes)));

export const percentCell = (percent: number): string => `${percent.toFixed(1)} %`;

/** `12:07`, `3:12:07`: as ps(1) has processors' time. */
export function clockCell(duration: Duration | undefined): string {
  if (!duration) return NONE;
  const seconds = Number(duration.seconds);
  const two = (number: number): string => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

/** `3 d` */
export const spanCell = (duration: Duration | undefined): string => (duration ? formatSpan(Number(duration.seconds)) : NONE);

/** `2026-11-22 20:42:17`, in UTC. */
export const timeCell = (time: Timestamp | undefined): string =>
  time ? new Date(Number(time.seconds) * 1000).toISOString().slice(0, 19).replace("T", " ") : NONE;

export const textCell = (text: string): string => text || NONE;

/** `rwxr-xr-x`, as ls(1) has permissions. */
export function modeCell(mode: number): string {
  const special = [
    [0o4000, "s"],
    [0o2000, "s"],
    [0o1000, "t"],
  ] as const;
  return special
    .map(([bit, letter], at) => {
      const bits = (mode >> (6 - 3 * at)) & 7;
      const runs = (bits & 1) !== 0;
      const last = (mode & bit) === 0 ? (runs ? "x" : "-") : runs ? letter : letter.toUpperCase();
      return `${bits & 4 ? "r" : "-"}${bits & 2 ? "w" : "-"}${last}`;
    })
    .join("");
}
