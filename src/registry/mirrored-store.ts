import { createHash } from "node:crypto";
import type { Bytes } from "../core/units.ts";
import type { Descriptor } from "./documents.ts";
import { invalidAnswer, StoreError } from "./errors.ts";
import { checkedRange, type ImageStore, type StoreOptions } from "./store.ts";

/**
 * A store that is read from mirrors first, in their order, and then from itself. What is written goes to itself.
 *
 * A mirror that fails is left out from then on, and one that does not have something is asked for the next all the same. Mirrors can keep back, or give an
 * older manifest for a tag; what has a digest they cannot change.
 */
export function mirroredStore(mirrors: readonly ImageStore[], own: ImageStore): ImageStore {
  const leftOut = new Set<ImageStore>();
  const sources = (): readonly ImageStore[] => [...mirrors.filter((mirror) => !leftOut.has(mirror)), own];

  /** @throws what is not a mirror's own failure */
  const failed = (source: ImageStore, error: unknown, signal: AbortSignal | undefined): void => {
    signal?.throwIfAborted();
    if (source === own || !(error instanceof StoreError)) throw error;
    if (error.code !== "REGISTRY_NOT_FOUND") leftOut.add(source);
  };

  /** @param found whether it is an answer: others may have a better one */
  const first = async <T>(
    ask: (source: ImageStore) => Promise<T>,
    found: (answer: T) => boolean,
    signal: AbortSignal | undefined,
  ): Promise<T> => {
    for (const source of sources()) {
      try {
        const answer = await ask(source);
        if (source === own || found(answer)) return answer;
      } catch (error) {
        failed(source, error, signal);
      }
    }
    throw new Error("unreachable: the store itself answers or fails");
  };

  /** Bytes of a blob, from one source after the other: where one fails, the next goes on. @param used takes who gave any of them */
  async function* part(
    descriptor: Pick<Descriptor, "digest" | "size">,
    start: Bytes,
    end: Bytes,
    used: Set<ImageStore>,
    { signal }: StoreOptions,
  ): AsyncGenerator<Uint8Array> {
    let at = start;
    for (const source of sources()) {
      try {
        for await (const piece of source.readBlob(descriptor, { from: at, length: end - at }, { signal })) {
          used.add(source);
          at += piece.length;
          yield piece;
        }
        return;
      } catch (error) {
        failed(source, error, signal);
      }
    }
  }

  return {
    ...own,
    headManifest: async (reference, options = {}) =>
      await first(
        async (source) => await source.headManifest(reference, options),
        (found) => found !== undefined,
        options.signal,
      ),
    getManifest: async (reference, options = {}) =>
      await first(
        async (source) => await source.getManifest(reference, options),
        () => true,
        options.signal,
      ),
    referrers: async (digest, options = {}) =>
      await first(
        async (source) => await source.referrers(digest, options),
        (found) => found.length > 0,
        options.signal,
      ),
    async *getBlob(descriptor, { have, signal } = {}) {
      const { digest, size } = descriptor;
      const hash = createHash("sha256");
      let at = 0;
      for await (const piece of have ?? []) {
        hash.update(piece);
        at += piece.length;
      }
      if (at > size) throw invalidAnswer(own.origin, `blob ${digest} has ${size} bytes, and ${at} are there already`);
      const used = new Set<ImageStore>();
      for await (const piece of part(descriptor, at, size, used, { signal })) {
        hash.update(piece);
        yield piece;
      }
      const found = `sha256:${hash.digest("hex")}`;
      if (found === digest) return;
      // Nobody knows which of several it was.
      used.delete(own);
      for (const mirror of used) leftOut.add(mirror);
      const names = [...used].map(({ origin }) => origin).join(", ");
      const { code, message, hint } = invalidAnswer(
        names || own.origin,
        `blob ${digest} has other bytes: their digest is ${found}`,
      );
      throw new StoreError(code, message, { ...(hint === undefined ? {} : { hint }), ofMirror: used.size > 0 });
    },
    async *readBlob(descriptor, range, { signal } = {}) {
      const { start, end } = checkedRange(descriptor, range);
      yield* part(descriptor, start, end, new Set(), { signal });
    },
    /** From itself: mirrors have some of them, which is better than none where it does not answer. */
    async *tags(options = {}) {
      let failure: unknown;
      for (const source of [own, ...sources().slice(0, -1)]) {
        let isAnswered = false;
        try {
          for await (const tag of source.tags(options)) {
            isAnswered = true;
            yield tag;
          }
          if (isAnswered || source === own) return;
        } catch (error) {
          options.signal?.throwIfAborted();
          if (isAnswered || !(error instanceof StoreError)) throw error;
          failure ??= error;
        }
      }
      throw failure;
    },
  };
}
