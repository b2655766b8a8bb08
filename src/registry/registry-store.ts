import { createHash } from "node:crypto";
import { MiB, type Bytes } from "../core/units.ts";
import { AppError } from "../core/error.ts";
import type { HttpBody } from "../host/http-client.ts";
import {
  asReferrer,
  nextPage,
  parseIndex,
  parseManifestHead,
  parseTags,
  referrersTag,
  type Descriptor,
  type Index,
} from "./documents.ts";
import { invalidAnswer, lastingFailure, StoreError, storeError, type StoreErrorCode } from "./errors.ts";
import { exchange, type Answer, type ExchangeContext } from "./exchange.ts";
import { DIGEST, registryOrigin, type RegistryReference } from "./reference.ts";
import { LARGEST_MANIFEST, type ImageStore, type StoreOptions } from "./store.ts";
import { OCI_MEDIA } from "../layout/oci-image.ts";

export interface RegistryContext extends ExchangeContext {
  /** Blobs of more bytes are sent in pieces of so many, each of which can be sent again; default 16 MiB. */
  readonly chunk?: Bytes;
}

const CHUNK: Bytes = 16 * MiB;
/** A registry that reads what it got once more before it answers is given the time. */
const FINISH_MS = 10 * 60_000;
/** Fewer new bytes than this in one connection is no progress. */
const PROGRESS: Bytes = 64 * 1024;
const MOST_PAGES = 10_000;
const TAGS_PER_PAGE = 1000;
/** How often an upload is begun whose session the registry forgets. */
const MOST_SESSIONS = 6;
const LARGEST_CHUNK: Bytes = 1024 * MiB;
const BYTES = { "content-type": "application/octet-stream" } as const;
/** Failures of an upload after which its session is asked for. */
const RECOVERABLE: ReadonlySet<StoreErrorCode> = new Set([
  ...(["REGISTRY_NOT_FOUND", "REGISTRY_REFUSED", "REGISTRY_UNREACHABLE", "REGISTRY_RATE_LIMITED"] as const),
]);
/** How often an index of referrers is written that somebody else writes at the same time. */
const MOST_INDEX_WRITES = 5;

const ACCEPT = [
  ...[OCI_MEDIA.manifest, OCI_MEDIA.index],
  ...["application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.distribution.manifest.list.v2+json"],
].join(", ");

const sha256 = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** A repository of a registry. Source: OCI Distribution Specification 1.1 */
export function registryStore(
  { registry, repository, plainHttp }: Pick<RegistryReference, "registry" | "repository" | "plainHttp">,
  context: RegistryContext,
): ImageStore {
  const origin = `${registry}/${repository}`;
  const server = registryOrigin({ registry, plainHttp });
  const { chunk: ownChunk = CHUNK } = context;
  const { send, document, resolve, pause } = exchange(server, origin, context);
  const base = `/v2/${repository}`;
  const pull = `repository:${repository}:pull`;
  const push = `repository:${repository}:pull,push`;

  const headManifest: ImageStore["headManifest"] = async (reference, { signal } = {}) => {
    const answer = await send({
      ...{
        method: "HEAD",
        url: `${base}/manifests/${reference}`,
        scope: pull,
        what: `manifest ${reference}`,
        ok: [200, 404],
        signal,
      },
      headers: { accept: ACCEPT },
    });
    answer.discard();
    if (answer.status === 404) return undefined;
    const digest = answer.header("docker-content-digest") ?? (DIGEST.test(reference) ? reference : undefined);
    const size = Number(answer.header("content-length") ?? Number.NaN);
    // Neither has to be told.
    if (digest === undefined || !DIGEST.test(digest) || !Number.isSafeInteger(size)) {
      return await getManifest(reference, { signal }).then(({ descriptor }) => descriptor, missing);
    }
    if (DIGEST.test(reference) && digest !== reference)
      throw invalidAnswer(origin, `has ${digest} under the digest ${reference}`);
    return { mediaType: mediaTypeOf(answer), digest, size };
  };

  const getManifest: ImageStore["getManifest"] = async (reference, { signal } = {}) => {
    const what = `manifest ${reference}`;
    const { answer, bytes } = await document(
      { method: "GET", url: `${base}/manifests/${reference}`, scope: pull, what, ok: [200], headers: { accept: ACCEPT }, signal },
      LARGEST_MANIFEST,
    );
    const digest = sha256(bytes);
    const said = DIGEST.test(reference) ? reference : answer.header("docker-content-digest");
    if (said !== undefined && said !== digest) throw invalidAnswer(origin, `${what} has the digest ${digest} and not ${said}`);
    const { mediaType: own } = parseManifestHead(bytes, `${origin}: ${what}`);
    const mediaType = mediaTypeOf(answer);
    // Whoever can choose the type of signed bytes could have a list read as an image. Source: OCI Image Format Specification 1.1, "mediaType"
    if (own !== undefined && own !== mediaType)
      throw invalidAnswer(origin, `${what} is sent as ${mediaType} and says that it is ${own}`);
    return { descriptor: { mediaType, digest, size: bytes.length }, bytes };
  };

  const putBytes = async (
    reference: string,
    bytes: Uint8Array,
    mediaType: string,
    signal: AbortSignal | undefined,
  ): Promise<Answer> => {
    const body = {
      size: bytes.length,
      chunks: async function* () {
        yield bytes;
      },
    };
    const answer = await send({
      ...{
        method: "PUT",
        url: `${base}/manifests/${reference}`,
        scope: push,
        what: `manifest ${reference}`,
        ok: [200, 201, 202],
        signal,
      },
      ...{ headers: { "content-type": mediaType }, body, answerMs: FINISH_MS },
    });
    answer.discard();
    return answer;
  };

  const putManifest: ImageStore["putManifest"] = async (bytes, mediaType, { tag, signal } = {}) => {
    const digest = sha256(bytes);
    const head = parseManifestHead(bytes, `${origin}: manifest ${digest}`);
    const descriptor = { mediaType, digest, size: bytes.length };
    if (bytes.length > LARGEST_MANIFEST)
      throw storeError("REGISTRY_REFUSED", origin, `a manifest of ${bytes.length} bytes is more than registries take`);
    const answer = await putBytes(tag ?? digest, bytes, mediaType, signal);
    // A registry that knows about referrers says so. Source: OCI Distribution Specification 1.1, "Pushing Manifests with Subject"
    if (head.subject && answer.header("oci-subject") !== head.subject.digest) {
      await addReferrer(head.subject.digest, asReferrer(descriptor, head), signal);
    }
    return descriptor;
  };

  const fallbackIndex = async (digest: string, signal: AbortSignal | undefined): Promise<Index | undefined> => {
    const tag = referrersTag(digest);
    const found = await getManifest(tag, { signal }).catch(missing);
    if (found && found.descriptor.mediaType !== OCI_MEDIA.index)
      throw invalidAnswer(origin, `tag ${tag} is not an index of referrers`);
    return found && parseIndex(found.bytes, `${origin}: tag ${tag}`);
  };

  /** Two that write the tag at once would lose one of them: it is read again, and written again, until ours is in it. */
  const addReferrer = async (subject: string, referrer: Descriptor, signal: AbortSignal | undefined): Promise<void> => {
    for (let writes = 0; ; writes++) {
      const index = await fallbackIndex(subject, signal);
      if (index?.manifests.some(({ digest }) => digest === referrer.digest)) return;
      if (writes === MOST_INDEX_WRITES) {
        throw storeError(
          "REGISTRY_REFUSED",
          origin,
          `the tag ${referrersTag(subject)} is written by others all the time`,
          "Try again.",
        );
      }
      const manifests = [...(index?.manifests ?? []), referrer];
      const text = JSON.stringify({ ...index, schemaVersion: 2, mediaType: OCI_MEDIA.index, manifests });
      await putBytes(referrersTag(subject), new TextEncoder().encode(text), OCI_MEDIA.index, signal);
    }
  };

  const referrers: ImageStore["referrers"] = async (digest, { artifactType, signal } = {}) => {
    const of = ({ manifests }: Index): Index["manifests"] =>
      artifactType === undefined ? manifests : manifests.filter((one) => one.artifactType === artifactType);
    const found: Descriptor[] = [];
    const query = artifactType === undefined ? "" : `?artifactType=${encodeURIComponent(artifactType)}`;
    let url: string | undefined = `${base}/referrers/${digest}${query}`;
    for (let pages = 0; url !== undefined; pages++) {
      if (pages === MOST_PAGES) throw invalidAnswer(origin, "has no end of pages of referrers");
      const what = `referrers of ${digest}`;
      const { answer, bytes }: { answer: Answer; bytes: Uint8Array } = await document(
        { method: "GET", url, scope: pull, what, ok: [200, 404], headers: { accept: OCI_MEDIA.index }, signal },
        LARGEST_MANIFEST,
      );
      if (answer.status === 404) {
        const index = await fallbackIndex(digest, signal);
        return index ? of(index) : [];
      }
      found.push(...of(parseIndex(bytes, `${origin}: ${what}`))); // whether it was filtered there or not
      url = nextUrl(answer);
    }
    return found;
  };

  const nextUrl = (answer: Answer): string | undefined => {
    const next = nextPage(answer.header("link"));
    if (next === undefined) return undefined;
    const url = resolve(next, answer.url);
    if (new URL(url).origin !== new URL(server).origin) throw invalidAnswer(origin, "has its next page elsewhere");
    return url;
  };

  async function* tags({ signal }: StoreOptions = {}): AsyncGenerator<string> {
    let url: string | undefined = `${base}/tags/list?n=${TAGS_PER_PAGE}`;
    for (let pages = 0; url !== undefined; pages++) {
      if (pages === MOST_PAGES) throw invalidAnswer(origin, "has no end of pages of tags");
      const { answer, bytes }: { answer: Answer; bytes: Uint8Array } = await document(
        { method: "GET", url, scope: pull, what: "list of tags", ok: [200, 404], signal },
        LARGEST_MANIFEST,
      );
      if (answer.status === 404) return;
      yield* parseTags(bytes, `${origin}: list of tags`);
      url = nextUrl(answer);
    }
  }

  const isThere = async (
    { digest, size }: Pick<Descriptor, "digest" | "size">,
    scope: string,
    signal: AbortSignal | undefined,
  ) => {
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
  };
  const hasBlob: ImageStore["hasBlob"] = async (descriptor, { signal } = {}) => await isThere(descriptor, pull, signal);

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

  const putBlob: ImageStore["putBlob"] = async (descriptor, source, { from, signal } = {}) => {
    const { digest, size } = descriptor;
    const what = `blob ${digest}`;
    const scope = from === undefined ? push : `${push} repository:${from}:pull`;
    if (await isThere(descriptor, scope, signal)) return "was-there";
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
      if (await isThere(descriptor, scope, signal)) return true; // the answer may be all that was lost
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

  return { origin, headManifest, getManifest, putManifest, tags, hasBlob, getBlob, putBlob, referrers };
}

/** @returns nothing for what is not there */
function missing(error: unknown): undefined {
  if (error instanceof StoreError && error.code === "REGISTRY_NOT_FOUND") return undefined;
  throw error;
}

const mediaTypeOf = (answer: Answer): string =>
  (answer.header("content-type") ?? "application/octet-stream").split(";")[0]!.trim();

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
