import type { Bytes } from "../core/units.ts";
import type { Descriptor } from "./documents.ts";
import { invalidAnswer } from "./errors.ts";
import type { ImageStore, StoreOptions } from "./store.ts";

/** A blob that has to fit in memory, compared with its digest. @throws StoreError `REGISTRY_INVALID` for a larger one */
export async function wholeBlob(
  store: ImageStore,
  descriptor: Pick<Descriptor, "digest" | "size">,
  limit: Bytes,
  options: StoreOptions,
): Promise<Uint8Array> {
  const { digest, size } = descriptor;
  if (size > limit) throw invalidAnswer(store.origin, `blob ${digest} has ${size} bytes, and up to ${limit} are read`);
  const bytes = new Uint8Array(size);
  let done = 0;
  for await (const piece of store.getBlob(descriptor, options)) {
    bytes.set(piece, done);
    done += piece.length;
  }
  return bytes;
}
