import { createHash } from "node:crypto";
import { OCI_MEDIA } from "../layout/oci-image.ts";
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
import { invalidAnswer, storeError } from "./errors.ts";
import type { Answer } from "./exchange.ts";
import { DIGEST } from "./reference.ts";
import { FINISH_MS, missing, type Repository } from "./repository.ts";
import { LARGEST_MANIFEST, type ImageStore, type StoreOptions } from "./store.ts";

const MOST_PAGES = 10_000;
const TAGS_PER_PAGE = 1000;
/** How often an index of referrers is written that somebody else writes at the same time. */
const MOST_INDEX_WRITES = 5;

const ACCEPT = [
  ...[OCI_MEDIA.manifest, OCI_MEDIA.index],
  ...["application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.distribution.manifest.list.v2+json"],
].join(", ");

const sha256 = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** Manifests, tags and referrers of a repository. Source: OCI Distribution Specification 1.1 */
export function registryManifests(
  repository: Repository,
): Pick<ImageStore, "headManifest" | "getManifest" | "putManifest" | "tags" | "referrers"> {
  const { origin, server, base, pull, push, send, document, resolve } = repository;

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
      // distribution 2.8 answers so while another writes the same manifest or a blob of it. Ours has the digest that it says.
      passing: ["DIGEST_INVALID"],
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

  return { headManifest, getManifest, putManifest, tags, referrers };
}

const mediaTypeOf = (answer: Answer): string =>
  (answer.header("content-type") ?? "application/octet-stream").split(";")[0]!.trim();
