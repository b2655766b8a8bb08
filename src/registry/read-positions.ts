import { KiB, type Bytes } from "../core/units.ts";
import { MAX_READ } from "../release/image-reader.ts";
import type { PositionReader } from "../release/delta/apply-delta.ts";
import type { Descriptor } from "./documents.ts";
import type { ImageStore, StoreOptions } from "./store.ts";

/** What formats begin with is looked at twice. */
const HEAD: Bytes = 64 * KiB;

/**
 * A blob by position, fast where reading goes on: it is one request from the first byte read on, and another one only elsewhere. What comes is a
 * stranger's: nothing is compared.
 *
 * @throws StoreError from `read`
 */
export function readPositions(
  store: ImageStore,
  descriptor: Pick<Descriptor, "digest" | "size">,
  options: StoreOptions = {},
): PositionReader & AsyncDisposable {
  const { size } = descriptor;
  const buffer = new Uint8Array(MAX_READ);
  const head = new Uint8Array(Math.min(HEAD, size));
  let known = 0;
  let body: AsyncGenerator<Uint8Array> | undefined;
  let position = 0;
  let rest: Uint8Array = new Uint8Array();
  const end = async (): Promise<void> => {
    await body?.return(undefined);
    body = undefined;
    rest = new Uint8Array();
  };
  /** What comes next, at most so much; nothing at the end. */
  const take = async (length: Bytes): Promise<Uint8Array> => {
    while (rest.length === 0) {
      const { done, value } = await body!.next();
      if (done) return rest;
      rest = value;
    }
    const part = rest.subarray(0, length);
    rest = rest.subarray(part.length);
    if (position === known && known < head.length) {
      const kept = part.subarray(0, head.length - known);
      head.set(kept, known);
      known += kept.length;
    }
    position += part.length;
    return part;
  };
  return {
    size,
    read: async (offset, length) => {
      const wanted = Math.max(0, Math.min(length, size - offset, MAX_READ));
      const first = head.subarray(Math.min(offset, known), known).subarray(0, wanted);
      buffer.set(first);
      for (let done = first.length; done < wanted;) {
        if (!body || offset + done !== position) {
          await end();
          position = offset + done;
          body = store.readBlob(descriptor, { from: position, length: size - position }, options);
        }
        const part = await take(wanted - done);
        if (part.length === 0) return buffer.subarray(0, done);
        buffer.set(part, done);
        done += part.length;
      }
      return buffer.subarray(0, wanted);
    },
    [Symbol.asyncDispose]: end,
  };
}
