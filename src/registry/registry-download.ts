import { createHash } from "node:crypto";
import { AppError } from "../core/error.ts";
import type { Bytes } from "../core/units.ts";
import type { Descriptor } from "./documents.ts";
import { invalidAnswer, lastingFailure, type StoreError } from "./errors.ts";
import type { Answer } from "./exchange.ts";
import type { Repository } from "./repository.ts";
import { checkedRange, type ImageStore } from "./store.ts";

/** What is asked for blobs. */
export type BlobServer = Pick<Repository, "origin" | "blobUrl" | "pull" | "send" | "pause">;

/** Fewer new bytes than this in one connection is no progress. */
const PROGRESS: Bytes = 64 * 1024;

export async function hasBlob(
  { origin, blobUrl, send }: Pick<BlobServer, "origin" | "blobUrl" | "send">,
  { digest, size }: Pick<Descriptor, "digest" | "size">,
  scope: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const answer = await send({
    method: "HEAD",
    url: blobUrl(digest),
    scope,
    what: `blob ${digest}`,
    ok: [200, 404],
    signal,
  });
  answer.discard();
  if (answer.status === 404) return false;
  const length = answer.header("content-length");
  if (length !== undefined && Number(length) !== size)
    throw invalidAnswer(origin, `blob ${digest} has ${length} bytes and not ${size}`);
  return true;
}

/** Blobs on their way down. Source: OCI Distribution Specification 1.1, "Pulling blobs" */
export function registryDownload({ origin, blobUrl, pull, send, pause }: BlobServer): Pick<ImageStore, "getBlob" | "readBlob"> {
  const wrongOf =
    (digest: string) =>
    (why: string): StoreError =>
      invalidAnswer(origin, `blob ${digest} ${why}`);

  /** The bytes from `start` to `end`, which are a stranger's; what is cut is asked for again from there. */
  async function* part(
    { digest, size }: Pick<Descriptor, "digest" | "size">,
    start: Bytes,
    end: Bytes,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array> {
    const what = `blob ${digest}`;
    const wrong = wrongOf(digest);
    let at = start;
    let tag: string | undefined;
    let failures = 0;
    let mark = at;
    while (at < end) {
      let answer: Answer | undefined;
      try {
        const ranged = at > 0 || end < size;
        const range = `bytes=${at}-${end < size ? end - 1 : ""}`;
        answer = await send({
          ...{ method: "GET", url: blobUrl(digest), scope: pull, what, ok: ranged ? [200, 206, 416] : [200], signal },
          headers: ranged ? { range, ...(tag === undefined ? {} : { "if-range": tag }) } : {},
        });
        let skip = startOf(answer, at, end, size, wrong);
        // Of a whole blob that came in place of a part, what is behind the part is nobody's business.
        const most = answer.status === 200 && end < size ? size : end;
        const etag = answer.header("etag");
        tag = etag !== undefined && /^"[\x21\x23-\x7e]*"$/.test(etag) ? etag : undefined; // a weak one may not be sent
        for await (const piece of answer.body) {
          const fresh = piece.subarray(skip);
          skip = Math.max(0, skip - piece.length);
          if (fresh.length === 0) continue;
          if (at + fresh.length > most) throw wrong(`has more than its ${size} bytes`);
          const wanted = fresh.subarray(0, end - at);
          at += wanted.length;
          yield wanted;
          if (at === end && most > end) return;
        }
        if (at < end) throw new Error(`ended after ${at} of ${size} bytes`);
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof AppError) throw error;
        const lasting = lastingFailure(origin, error);
        if (lasting) throw lasting;
        if (at - mark >= PROGRESS) failures = 0;
        mark = at;
        await pause(++failures, what, error, signal);
      } finally {
        answer?.discard();
      }
    }
  }

  return {
    async *getBlob(descriptor, { have, signal } = {}) {
      const { digest, size } = descriptor;
      const wrong = wrongOf(digest);
      const hash = createHash("sha256");
      let at = 0;
      for await (const piece of have ?? []) {
        hash.update(piece);
        at += piece.length;
      }
      if (at > size) throw wrong(`has ${size} bytes, and ${at} are there already`);
      for await (const piece of part(descriptor, at, size, signal)) {
        hash.update(piece);
        yield piece;
      }
      const found = `sha256:${hash.digest("hex")}`;
      if (found !== digest) throw wrong(`has other bytes: their digest is ${found}`);
    },
    async *readBlob(descriptor, range, { signal } = {}) {
      const { start, end } = checkedRange(descriptor, range);
      yield* part(descriptor, start, end, signal);
    },
  };
}

/** How many bytes of the answer are there already. Source: RFC 9110, sections 14.4 and 15.3.7 */
function startOf(answer: Answer, at: Bytes, end: Bytes, size: Bytes, wrong: (why: string) => Error): Bytes {
  if (answer.status === 416) throw wrong(`ends before its ${size} bytes`);
  const length = answer.header("content-length");
  if (answer.status === 200) {
    if (length !== undefined && Number(length) !== size) throw wrong(`has ${length} bytes and not ${size}`);
    return at;
  }
  const range = /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16}|\*)$/.exec(answer.header("content-range") ?? "");
  const [, from, last, total] = range ?? [];
  if (!range || Number(from) !== at || Number(last) >= end || (total !== "*" && Number(total) !== size)) {
    throw wrong(
      `was asked for from byte ${at} ${end < size ? `to ${end - 1} of ${size}` : `of ${size} on`}, and the answer is for ${answer.header("content-range") ?? "no range"}`,
    );
  }
  return 0;
}
