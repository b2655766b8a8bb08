import type { Bytes } from "../core/units.ts";
import type { ImageStore } from "./store.ts";

/** The same store, and told of all that comes out of it. @param came bytes of documents and blobs, as they come */
export function countDownloads(store: ImageStore, came: (bytes: Bytes) => void): ImageStore {
  async function* counted(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of bytes) {
      came(piece.length);
      yield piece;
    }
  }
  return {
    ...store,
    getManifest: async (reference, options) => {
      const found = await store.getManifest(reference, options);
      came(found.bytes.length);
      return found;
    },
    getBlob: (descriptor, options) => counted(store.getBlob(descriptor, options)),
    readBlob: (descriptor, range, options) => counted(store.readBlob(descriptor, range, options)),
  };
}
