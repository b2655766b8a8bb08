import type { Bytes } from "../core/units.ts";
import type { Descriptor } from "./documents.ts";
import type { BlobSource, ImageStore } from "./store.ts";

export interface SteadySource extends AsyncDisposable {
  readonly bytes: BlobSource;
}

/**
 * A blob of one store as the source of an upload to another, which takes it piece by piece: the next piece goes on with the same answer, and the digest is
 * that of all of it. Only where something has to be sent again is it asked for again from there.
 */
export function steadySource(
  store: ImageStore,
  descriptor: Pick<Descriptor, "digest" | "size">,
  signal: AbortSignal | undefined,
): SteadySource {
  /** What is read now, up to `at`, and what came last of it. */
  let current: { readonly answer: AsyncGenerator<Uint8Array>; last: Uint8Array; at: Bytes } | undefined;
  const close = async (): Promise<void> => {
    await current?.answer.return(undefined);
    current = undefined;
  };
  return {
    bytes: async function* (from) {
      if (!current || from < current.at - current.last.length || from > current.at) {
        await close();
        const answer =
          from === 0
            ? store.getBlob(descriptor, { signal })
            : store.readBlob(descriptor, { from, length: descriptor.size - from }, { signal });
        current = { answer, last: new Uint8Array(), at: from };
      }
      const mine = current;
      const rest = mine.last.subarray(mine.last.length - (mine.at - from));
      if (rest.length > 0) yield rest;
      // Not by `for await`, which would end the answer together with this piece.
      for (;;) {
        const { done, value } = await mine.answer.next();
        if (done) return;
        mine.last = value;
        mine.at += value.length;
        // Before the last bytes go out: then the digest is compared, and nothing false becomes whole elsewhere.
        if (mine.at === descriptor.size) await mine.answer.next();
        yield value;
      }
    },
    [Symbol.asyncDispose]: close,
  };
}
