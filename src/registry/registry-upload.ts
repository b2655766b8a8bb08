import { MiB, type Bytes } from "../core/units.ts";
import type { HttpBody } from "../host/http-client.ts";
import { StoreError, type StoreErrorCode } from "./errors.ts";
import type { Answer } from "./exchange.ts";
import { hasBlob } from "./registry-download.ts";
import { FINISH_MS, type Repository } from "./repository.ts";
import type { ImageStore } from "./store.ts";

const CHUNK: Bytes = 16 * MiB;
const LARGEST_CHUNK: Bytes = 1024 * MiB;
/** How often an upload is begun whose session the registry forgets. */
const MOST_SESSIONS = 6;
const BYTES = { "content-type": "application/octet-stream" } as const;
/** Failures of an upload after which its session is asked for. */
const RECOVERABLE: ReadonlySet<StoreErrorCode> = new Set([
  ...(["REGISTRY_NOT_FOUND", "REGISTRY_REFUSED", "REGISTRY_UNREACHABLE", "REGISTRY_RATE_LIMITED"] as const),
]);

/**
 * Blobs on their way up. Source: OCI Distribution Specification 1.1, "Pushing Blobs"
 *
 * @param ownChunk blobs of more bytes are sent in pieces of so many
 */
export function registryUpload(repository: Repository, ownChunk: Bytes = CHUNK): ImageStore["putBlob"] {
  const { base, push, send, resolve, pause } = repository;
  /** Where an upload stands: the place to send to, and the bytes that are there. */
  interface Session {
    readonly url: string;
    readonly at: Bytes;
  }
  const sessionOf = (answer: Answer, at: Bytes): Session => ({ url: resolve(answer.header("location"), answer.url), at });

  /** @returns nothing where the session is gone, or how much it has cannot be told */
  const stateOf = async (
    { url }: Session,
    scope: string,
    what: string,
    signal: AbortSignal | undefined,
  ): Promise<Session | undefined> => {
    const answer = await send({ method: "GET", url, scope, what, ok: [200, 202, 204, 400, 404], signal });
    answer.discard();
    const at = endOf(answer.header("range"));
    if (answer.status >= 400 || at === undefined) return undefined;
    const location = answer.header("location");
    return { url: location === undefined ? url : resolve(location, answer.url), at };
  };

  return async (descriptor, source, { from, signal } = {}) => {
    const { digest, size } = descriptor;
    const what = `blob ${digest}`;
    const scope = from === undefined ? push : `${push} repository:${from}:pull`;
    if (await hasBlob(repository, descriptor, scope, signal)) return "was-there";
    const begin = async (mount: string): Promise<Answer> => {
      const answer = await send({ method: "POST", url: `${base}/blobs/uploads/${mount}`, scope, what, ok: [201, 202], signal });
      answer.discard();
      return answer;
    };
    const begun = await begin(from === undefined ? "" : `?mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(from)}`);
    if (begun.status === 201) return "mounted";
    // Some registries want larger pieces. Source: OCI Distribution Specification 1.1, "Pushing a blob in chunks"
    const chunk = Math.max(ownChunk, Math.min(Number(begun.header("oci-chunk-min-length") ?? 0) || 0, LARGEST_CHUNK));
    const broken: unknown[] = [];
    const bytes = (at: Bytes, length: Bytes): HttpBody => ({ size: length, chunks: () => upTo(source(at), length, broken) });

    /** Sends the next piece, or ends the upload. @returns the session after it; nothing at the end */
    const next = async ({ url, at }: Session): Promise<Session | undefined> => {
      const whole = at === 0 && size <= chunk;
      const length = whole ? 0 : Math.min(chunk, size - at);
      if (length > 0) {
        const answer = await send({
          ...{ method: "PATCH", url, scope, what, ok: [201, 202, 204], again: false, signal, body: bytes(at, length) },
          headers: { ...BYTES, "content-range": `${at}-${at + length - 1}` },
        });
        answer.discard();
        return sessionOf(answer, at + length);
      }
      const answer = await send({
        ...{
          method: "PUT",
          url: withDigest(url, digest),
          scope,
          what,
          ok: [201, 204],
          again: false,
          answerMs: FINISH_MS,
          signal,
        },
        ...(whole ? { headers: BYTES, body: bytes(0, size) } : {}),
      });
      answer.discard();
      return undefined;
    };

    /** @returns where to go on after a failure; nothing to begin anew, or `true` where all of it is there. @throws the failure, where that makes no sense */
    const recovered = async (error: unknown, was: Session, failures: number): Promise<Session | true | undefined> => {
      signal?.throwIfAborted();
      if (broken.length > 0) throw broken[0];
      if (!(error instanceof StoreError) || !RECOVERABLE.has(error.code)) throw error;
      await pause(failures, what, error.cause ?? error, signal);
      if (await hasBlob(repository, descriptor, scope, signal)) return true; // the answer may be all that was lost
      const state = await stateOf(was, scope, what, signal);
      // What is refused for another reason than its place would be refused again.
      const misplaced = error.status === 416 || (state !== undefined && state.at !== was.at);
      if (error.code === "REGISTRY_REFUSED" && !misplaced) throw error;
      return state && state.at <= size ? state : undefined;
    };

    let session: Session | undefined = sessionOf(begun, 0);
    for (let failures = 0, sessions = 1; session !== undefined;) {
      const current: Session = session;
      try {
        session = await next(current);
        failures = 0;
      } catch (error) {
        const state = await recovered(error, current, ++failures);
        if (state === true) return "sent";
        if (state === undefined && ++sessions > MOST_SESSIONS) throw error;
        session = state ?? sessionOf(await begin(""), 0);
      }
    }
    return "sent";
  };
}

/** `0-1023` is 1024 bytes. Registries write `0-0` for none as well as for one, so that it says nothing. */
function endOf(range: string | undefined): Bytes | undefined {
  const end = Number(/^(?:bytes=)?0-(\d{1,15})$/.exec(range ?? "")?.[1] ?? 0);
  return end === 0 ? undefined : end + 1;
}

/** Not by URLSearchParams: it would write the rest anew, which may be signed. */
function withDigest(url: string, digest: string): string {
  return `${url}${url.includes("?") ? "&" : "?"}digest=${encodeURIComponent(digest)}`;
}

/** @param broken takes the error where the source has one: it is not the registry's */
async function* upTo(bytes: AsyncIterable<Uint8Array>, length: Bytes, broken: unknown[]): AsyncGenerator<Uint8Array> {
  let left = length;
  if (left === 0) return;
  const chunks = bytes[Symbol.asyncIterator]();
  try {
    while (left > 0) {
      const { done, value } = await chunks.next();
      if (done) throw new Error(`the source ends ${left} bytes early`);
      const part = value.subarray(0, left);
      left -= part.length;
      yield part;
    }
  } catch (error) {
    broken.push(error);
    throw error;
  } finally {
    await chunks.return?.();
  }
}
