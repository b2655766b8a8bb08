import { createHash } from "node:crypto";
import type { Bytes } from "../core/units.ts";
import { blobPath, INDEX_FILE, OCI_MEDIA } from "../layout/oci-image.ts";
import { asReferrer, parseIndex, parseManifestHead, type Descriptor, type Index } from "./documents.ts";
import { invalidAnswer, storeError, type StoreError } from "./errors.ts";
import { readDocument } from "./read-document.ts";
import { DIGEST, TAG } from "./reference.ts";
import { checkedRange, LARGEST_MANIFEST, type ImageStore, type StoreOptions } from "./store.ts";

/** The files of an OCI image layout, in a folder or in an archive. */
export interface LayoutFiles {
  /** @param name `index.json`, `blobs/sha256/…` @returns nothing where there is none, `other` for what is no file */
  readonly find: (name: string, signal?: AbortSignal) => Promise<LayoutFile | "other" | undefined>;
}
export interface LayoutFile {
  readonly size: Bytes;
  readonly read: (range: { readonly start: Bytes; readonly length: Bytes }) => AsyncIterable<Uint8Array>;
}
export interface LayoutReader extends Pick<
  ImageStore,
  "headManifest" | "getManifest" | "tags" | "hasBlob" | "getBlob" | "readBlob" | "referrers"
> {
  readonly index: (signal?: AbortSignal) => Promise<Index>;
}

export const REF_NAME = "org.opencontainers.image.ref.name";
const sha256 = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/**
 * What an OCI image layout says, of which nothing is believed. Source: OCI Image Format Specification 1.1, "Image Layout"
 *
 * @param what it is, for hints
 */
export function layoutReader(origin: string, files: LayoutFiles, what: "folder" | "archive"): LayoutReader {
  /** @returns nothing where there is no such file @throws StoreError where something else is in its place, or more */
  const small = async (name: string, signal: AbortSignal | undefined): Promise<Uint8Array | undefined> => {
    const file = await files.find(name, signal);
    if (file === undefined) return undefined;
    if (file === "other") throw invalidAnswer(origin, `${name} is not a file`);
    const { size, read } = file;
    if (size > LARGEST_MANIFEST) throw invalidAnswer(origin, `${name} has ${size} bytes, and up to ${LARGEST_MANIFEST} are read`);
    return await readDocument({ body: read({ start: 0, length: size }) }, LARGEST_MANIFEST, `${origin}: ${name}`);
  };

  const index = async (signal?: AbortSignal): Promise<Index> => {
    const bytes = await small(INDEX_FILE, signal);
    return bytes ? parseIndex(bytes, `${origin}: ${INDEX_FILE}`) : { schemaVersion: 2, manifests: [] };
  };

  const manifestAt = async (
    digest: string,
    size: Bytes | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array | undefined> => {
    const bytes = await small(blobPath(digest), signal);
    if (!bytes) return undefined;
    if (size !== undefined && size !== bytes.length)
      throw invalidAnswer(origin, `manifest ${digest} has ${bytes.length} bytes and not ${size}`);
    const found = sha256(bytes);
    if (found !== digest) throw invalidAnswer(origin, `manifest ${digest} has other bytes: their digest is ${found}`);
    return bytes;
  };

  const find = async (
    reference: string,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly descriptor: Descriptor; readonly bytes: Uint8Array } | undefined> => {
    const { manifests } = await index(signal);
    const byDigest = DIGEST.test(reference);
    const entries = manifests.filter((entry) => (byDigest ? entry.digest === reference : isNamed(entry, reference)));
    if (new Set(entries.map(({ digest }) => digest)).size > 1)
      throw invalidAnswer(origin, `has several manifests with the tag ${reference}`);
    const [entry] = entries;
    if (!entry && !byDigest) return undefined;
    const digest = entry?.digest ?? reference;
    const bytes = await manifestAt(digest, entry?.size, signal);
    if (!bytes) {
      if (entry) throw invalidAnswer(origin, `lacks manifest ${digest}, which its index names`);
      return undefined;
    }
    const head = parseManifestHead(bytes, `${origin}: manifest ${digest}`);
    const mediaType = head.mediaType ?? entry?.mediaType ?? (head.config ? OCI_MEDIA.manifest : OCI_MEDIA.index);
    if (entry && entry.mediaType !== mediaType)
      throw invalidAnswer(origin, `manifest ${digest} is listed as ${entry.mediaType} and says that it is ${mediaType}`);
    return { descriptor: { mediaType, digest, size: bytes.length }, bytes };
  };

  /** @returns a blob that has its size @throws StoreError */
  const blobAt = async ({ digest, size }: Pick<Descriptor, "digest" | "size">): Promise<LayoutFile> => {
    const file = await files.find(blobPath(digest));
    if (file === undefined || file === "other")
      throw storeError("REGISTRY_NOT_FOUND", origin, `blob ${digest} is not there`, `Copy the ${what} again.`);
    if (file.size !== size) throw invalidAnswer(origin, `blob ${digest} has ${file.size} bytes and not ${size}`);
    return file;
  };

  return {
    index,
    headManifest: async (reference, { signal } = {}) => (await find(reference, signal))?.descriptor,
    getManifest: async (reference, { signal } = {}) => {
      const found = await find(reference, signal);
      if (found) return found;
      throw storeError("REGISTRY_NOT_FOUND", origin, `manifest ${reference} is not there`, `Check the ${what} and the tag.`);
    },
    async *tags({ signal } = {}) {
      const names = (await index(signal)).manifests
        .map(({ annotations }) => annotations?.[REF_NAME])
        .filter((name) => name !== undefined);
      yield* new Set(names.map((name) => name.slice(name.lastIndexOf(":") + 1)).filter((name) => TAG.test(name)));
    },
    hasBlob: async ({ digest, size }) => {
      const file = await files.find(blobPath(digest));
      return file !== undefined && file !== "other" && file.size === size; // one that was cut off is written anew
    },
    async *getBlob({ digest, size }, { have, signal }: StoreOptions & { readonly have?: AsyncIterable<Uint8Array> } = {}) {
      const file = await blobAt({ digest, size });
      const wrong = (why: string): StoreError => invalidAnswer(origin, `blob ${digest} ${why}`);
      const hash = createHash("sha256");
      let start = 0;
      for await (const piece of have ?? []) {
        hash.update(piece);
        start += piece.length;
      }
      if (start > size) throw wrong(`has ${size} bytes, and ${start} are there already`);
      const rest = file.read({ start, length: size - start }); // its own errors would hide why it was aborted
      for await (const piece of compared({ digest, size }, rest, wrong, { hash, at: start })) {
        signal?.throwIfAborted();
        yield piece;
      }
      signal?.throwIfAborted();
    },
    async *readBlob(descriptor, range, { signal } = {}) {
      const { start, end } = checkedRange(descriptor, range);
      const file = await blobAt(descriptor);
      let at = start;
      for await (const piece of file.read({ start, length: end - start })) {
        signal?.throwIfAborted();
        at += piece.length;
        yield piece;
      }
      signal?.throwIfAborted();
      if (at < end) throw invalidAnswer(origin, `blob ${descriptor.digest} ends after ${at} of its ${descriptor.size} bytes`);
    },
    referrers: async (digest, { artifactType, signal } = {}) => {
      const found = new Map<string, Descriptor>();
      for (const { digest: one, size } of (await index(signal)).manifests) {
        signal?.throwIfAborted();
        const bytes = await manifestAt(one, size, signal);
        const head = bytes && parseManifestHead(bytes, `${origin}: manifest ${one}`);
        if (!head || head.subject?.digest !== digest) continue;
        const mediaType = head.mediaType ?? (head.config ? OCI_MEDIA.manifest : OCI_MEDIA.index);
        const referrer = asReferrer({ mediaType, digest: one, size }, head);
        if (artifactType === undefined || referrer.artifactType === artifactType) found.set(one, referrer);
      }
      return [...found.values()];
    },
  };
}

/** `v1` means v1 and every NAME:v1, as some tools write it. */
export const isNamed = ({ annotations }: Descriptor, tag: string): boolean => {
  const name = annotations?.[REF_NAME];
  return name === tag || (name?.endsWith(`:${tag}`) ?? false);
};

/** Passes bytes on, no more than there may be, and throws at the end where they are others. */
export async function* compared(
  { digest, size }: Pick<Descriptor, "digest" | "size">,
  bytes: AsyncIterable<Uint8Array>,
  wrong: (why: string) => Error,
  { hash, at: start } = { hash: createHash("sha256"), at: 0 },
): AsyncGenerator<Uint8Array> {
  let at = start;
  for await (const piece of bytes) {
    at += piece.length;
    if (at > size) throw wrong(`has more than its ${size} bytes`);
    hash.update(piece);
    yield piece;
  }
  if (at < size) throw wrong(`ends after ${at} of its ${size} bytes`);
  const found = `sha256:${hash.digest("hex")}`;
  if (found !== digest) throw wrong(`has other bytes: their digest is ${found}`);
}
