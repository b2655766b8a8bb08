import { createHash } from "node:crypto";
import { AppError } from "../core/error.ts";
import type { Bytes } from "../core/units.ts";
import type { Descriptor } from "./documents.ts";
import { invalidAnswer, lastingFailure, type StoreError } from "./errors.ts";
import type { Answer } from "./exchange.ts";
import type { Repository } from "./repository.ts";
import type { ImageStore, StoreOptions } from "./store.ts";

/** Fewer new bytes than this in one connection is no progress. */
const PROGRESS: Bytes = 64 * 1024;

export async function hasBlob(
  { origin, base, send }: Repository,
  { digest, size }: Pick<Descriptor, "digest" | "size">,
  scope: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const answer = await send({
    method: "HEAD",
    url: `${base}/blobs/${digest}`,
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
export function registryDownload({ origin, base, pull, send, pause }: Repository): Pick<ImageStore, "getBlob"> {
  async function* getBlob(
    { digest, size }: Pick<Descriptor, "digest" | "size">,
    { have, signal }: StoreOptions & { readonly have?: AsyncIterable<Uint8Array> } = {},
  ): AsyncGenerator<Uint8Array> {
    const what = `blob ${digest}`;
    const wrong = (why: string): StoreError => invalidAnswer(origin, `${what} ${why}`);
    const hash = createHash("sha256");
    let at = 0;
    for await (const piece of have ?? []) {
      hash.update(piece);
      at += piece.length;
    }
    if (at > size) throw wrong(`has ${size} bytes, and ${at} are there already`);
    let tag: string | undefined;
    let failures = 0;
    let mark = at;
    while (at < size) {
      let answer: Answer | undefined;
      try {
        answer = await send({
          ...{ method: "GET", url: `${base}/blobs/${digest}`, scope: pull, what, ok: at > 0 ? [200, 206, 416] : [200], signal },
          headers: at > 0 ? { range: `bytes=${at}-`, ...(tag === undefined ? {} : { "if-range": tag }) } : {},
        });
        let skip = startOf(answer, at, size, wrong);
        const etag = answer.header("etag");
        tag = etag !== undefined && /^"[\x21\x23-\x7e]*"$/.test(etag) ? etag : undefined; // a weak one may not be sent
        for await (const piece of answer.body) {
          const fresh = piece.subarray(skip);
          skip = Math.max(0, skip - piece.length);
          if (fresh.length === 0) continue;
          at += fresh.length;
          if (at > size) throw wrong(`has more than its ${size} bytes`);
          hash.update(fresh);
          yield fresh;
        }
        if (at < size) throw new Error(`ended after ${at} of ${size} bytes`);
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
    const found = `sha256:${hash.digest("hex")}`;
    if (found !== digest) throw wrong(`has other bytes: their digest is ${found}`);
  }

  return { getBlob };
}

/** How many bytes of the answer are there already. Source: RFC 9110, sections 14.4 and 15.3.7 */
function startOf(answer: Answer, at: Bytes, size: Bytes, wrong: (why: string) => Error): Bytes {
  if (answer.status === 416) throw wrong(`ends before its ${size} bytes`);
  const length = answer.header("content-length");
  if (answer.status === 200) {
    if (length !== undefined && Number(length) !== size) throw wrong(`has ${length} bytes and not ${size}`);
    return at;
  }
  const range = /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16}|\*)$/.exec(answer.header("content-range") ?? "");
  if (!range || Number(range[1]) !== at || (range[3] !== "*" && Number(range[3]) !== size)) {
    throw wrong(
      `was asked for from byte ${at} of ${size} on, and the answer is for ${answer.header("content-range") ?? "no range"}`,
    );
  }
  return 0;
}
