import { MiB, type Bytes } from "../core/units.ts";
import type { DirectFile } from "./direct-read.ts";
import { placesOf } from "./direct-write.ts";
import type { FileExtent } from "./file-extents.ts";

/** What direct-write.ts writes, read back the same way: from the device, past the file system and every cache. */
export function readExtents(
  device: Pick<DirectFile, "read">,
  extents: readonly FileExtent[],
): { readonly size: Bytes; readonly read: DirectFile["read"] } {
  const buffer = new Uint8Array(MiB);
  const size = extents.reduce((sum, extent) => sum + extent.size, 0);
  return {
    size,
    read: async (offset, length) => {
      let filled = 0;
      const wanted = Math.max(0, Math.min(length, size - offset, MiB));
      for (const { at, from, size: part } of placesOf(extents, offset, wanted)) {
        const bytes = await device.read(at, part);
        buffer.set(bytes, from);
        filled += bytes.length;
        if (bytes.length < part) break;
      }
      return buffer.subarray(0, filled);
    },
  };
}
