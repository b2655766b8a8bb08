import type { Bytes } from "../core/units.ts";
import type { Descriptor } from "./documents.ts";
import { invalidAnswer, StoreError } from "./errors.ts";
import type { ImageStore, StoreOptions } from "./store.ts";

/**
 * A blob that has to fit in memory, compared with its digest. Where mirrors gave other bytes, it is read again from whoever is left.
 *
 * @throws StoreError `REGISTRY_INVALID` for a larger one
 */
export async function wholeBlob(
  store: ImageStore,
  descriptor: Pick<Descriptor, "digest" | "size">,
  limit: Bytes,
  options: StoreOptions,
): Promise<Uint8Array> {
  const { digest, size } = descriptor;
  if (size > limit) throw invalidAnswer(store.origin, `blob ${digest} has ${size} bytes, and up to ${limit} are read`);
  const bytes = new Uint8Array(size);
  for (;;) {
    let done = 0;
    try {
      for await (const piece of store.getBlob(descriptor, options)) {
        bytes.set(piece, done);
        done += piece.length;
      }
      return bytes;
    } catch (error) {
      // Each time there is a mirror less, so that it ends.
      if (!(error instanceof StoreError && error.ofMirror)) throw error;
    }
  }
}
