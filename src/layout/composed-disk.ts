/** @portable A disk that exists nowhere: it is put together of pieces while it is read. */
import type { Bytes } from "../core/units.ts";

/** Where the bytes of a part come from. `F` names a file. */
export type PartSource<F> = { readonly bytes: Uint8Array } | { readonly file: F; readonly at: Bytes };
/** A run of a disk. */
export interface DiskPart<F> {
  readonly start: Bytes;
  readonly size: Bytes;
  readonly from: PartSource<F>;
}
export interface ComposedDisk<F> {
  readonly size: Bytes;
  /** In the order of the disk; what lies between them is zero. */
  readonly parts: readonly DiskPart<F>[];
}

/** @throws Error where two parts overlap, or one does not lie on the disk: one would hide the other */
export function composeDisk<F>(size: Bytes, parts: readonly DiskPart<F>[]): ComposedDisk<F> {
  const sorted = parts.filter((part) => part.size > 0).toSorted((one, other) => one.start - other.start);
  let end = 0;
  for (const part of sorted) {
    if (part.start < end || part.start + part.size > size) {
      throw new Error(`${part.size} bytes at ${part.start} of a disk of ${size} bytes, where the last part ends at ${end}`);
    }
    end = part.start + part.size;
  }
  return { size, parts: sorted };
}

/** What of a run of the disk is not known to be zero, in order. @returns places from the start of the run */
export function partsWithin<F>({ parts }: ComposedDisk<F>, offset: Bytes, length: Bytes): DiskPart<F>[] {
  return parts.flatMap(({ start, size, from }) => {
    const [first, end] = [Math.max(start, offset), Math.min(start + size, offset + length)];
    if (first >= end) return [];
    const skipped = first - start;
    const rest: PartSource<F> =
      "bytes" in from
        ? { bytes: from.bytes.subarray(skipped, skipped + end - first) }
        : { file: from.file, at: from.at + skipped };
    return [{ start: first - offset, size: end - first, from: rest }];
  });
}
