/** @portable What part of a file an HTTP client asks for. Source: RFC 9110, 14.1.2 and 14.2 */
import type { Bytes } from "../core/units.ts";

export interface ByteRange {
  readonly start: Bytes;
  /** Of the byte after the last one. */
  readonly end: Bytes;
}

/**
 * Reads a `Range` header.
 *
 * @returns `whole` where there is none, or one that a server passes over: another unit, malformed, several ranges; `none` where no byte of the file is in it
 */
export function byteRange(header: string | undefined, size: Bytes): ByteRange | "whole" | "none" {
  const match = /^bytes=(\d*)-(\d*)$/i.exec(header?.trim() ?? "");
  if (!match) return "whole";
  const [first, last] = [match[1]!, match[2]!];
  if (first === "" && last === "") return "whole";
  if (first === "") {
    const length = Math.min(Number(last), size);
    return length === 0 ? "none" : { start: size - length, end: size };
  }
  const start = Number(first);
  if (last !== "" && Number(last) < start) return "whole";
  if (start >= size) return "none";
  return { start, end: last === "" ? size : Math.min(Number(last) + 1, size) };
}
