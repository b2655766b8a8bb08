import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import type { Bytes } from "../core/units.ts";

/** A disk or image file opened for reading; the shape src/layout's decoders take. */
export interface ImageFile extends Disposable {
  readonly size: Bytes;
  /** `length` bytes from `offset`; fewer where the file ends. */
  readonly read: (offset: Bytes, length: Bytes) => Uint8Array;
}

/** @throws NodeJS.ErrnoException */
export function openImage(path: string): ImageFile {
  const fd = openSync(path, "r");
  return {
    size: fstatSync(fd).size,
    read: (offset, length) => {
      const bytes = new Uint8Array(length);
      return bytes.subarray(0, readSync(fd, bytes, 0, length, offset));
    },
    [Symbol.dispose]: () => closeSync(fd),
  };
}
