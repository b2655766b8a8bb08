import type { Bytes } from "../core/units.ts";
import type { Descriptor } from "./documents.ts";

export interface StoreOptions {
  readonly signal?: AbortSignal | undefined;
}
export interface StoredManifest {
  readonly descriptor: Descriptor;
  /** What the digest is of; never changed, since written anew it might be other bytes. */
  readonly bytes: Uint8Array;
}
/** The bytes of a blob from a place on; called again when what was sent has to be sent again. */
export type BlobSource = (from: Bytes) => AsyncIterable<Uint8Array>;

/** A part of a blob. */
export interface BlobRange {
  readonly from: Bytes;
  readonly length: Bytes;
}

/** @throws RangeError for a part that is not within the blob */
export function checkedRange(
  { size }: Pick<Descriptor, "size">,
  { from, length }: BlobRange,
): { readonly start: Bytes; readonly end: Bytes } {
  const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
  if (!isCount(from) || !isCount(length) || from + length > size)
    throw new RangeError(`${length} bytes from ${from} on are not within a blob of ${size}`);
  return { start: from, end: from + length };
}

/**
 * One repository of a registry, or one folder with an OCI image layout: what is kept under a digest, and tags for some of it.
 *
 * Of what comes out of a store nothing is believed: a blob is compared with its digest and size. Every call may throw a {@link StoreError}, and ends with
 * the signal's reason once that is aborted.
 */
export interface ImageStore {
  /** For messages: `registry.example/team/os`, `oci:FOLDER`. */
  readonly origin: string;
  /** @param reference a tag or a digest @returns nothing where there is none */
  headManifest(reference: string, options?: StoreOptions): Promise<Descriptor | undefined>;
  /** At most 4 MiB, compared with its digest. @param reference a tag or a digest @throws StoreError `REGISTRY_NOT_FOUND` */
  getManifest(reference: string, options?: StoreOptions): Promise<StoredManifest>;
  /**
   * After everything that it names. One with a `subject` is a referrer of it from then on.
   *
   * @param tag that means this manifest from then on; without one it has its digest alone
   */
  putManifest(bytes: Uint8Array, mediaType: string, options?: StoreOptions & { readonly tag?: string }): Promise<Descriptor>;
  /** In no order that says anything; of a repository that is not there, none. */
  tags(options?: StoreOptions): AsyncGenerator<string>;
  hasBlob(descriptor: Pick<Descriptor, "digest" | "size">, options?: StoreOptions): Promise<boolean>;
  /**
   * The bytes of a blob. The digest is compared once all of them are there: until the last one came and the loop ended by itself, they are a stranger's.
   *
   * @param have bytes that are there already, from an earlier try: only what follows them is fetched, and the digest is that of both
   * @throws StoreError `REGISTRY_INVALID` for other bytes, for more and for fewer
   */
  getBlob(
    descriptor: Pick<Descriptor, "digest" | "size">,
    options?: StoreOptions & { readonly have?: AsyncIterable<Uint8Array> },
  ): AsyncGenerator<Uint8Array>;
  /**
   * A part of a blob. Nothing is compared, since its digest is of all of it: it is for whoever verifies what comes of it otherwise, piece by piece.
   *
   * A registry without ranges is read from the beginning, and what is before the part is thrown away.
   *
   * @throws RangeError for a part that is not within the blob
   */
  readBlob(descriptor: Pick<Descriptor, "digest" | "size">, range: BlobRange, options?: StoreOptions): AsyncGenerator<Uint8Array>;
  /**
   * @param from another repository of the same registry that has it: nothing is sent where the registry can take it from there
   * @returns how it came to be there
   */
  putBlob(
    descriptor: Pick<Descriptor, "digest" | "size">,
    source: BlobSource,
    options?: StoreOptions & { readonly from?: string },
  ): Promise<"was-there" | "mounted" | "sent">;
  /** Manifests whose subject this is. @param digest of a manifest, which need not be there */
  referrers(digest: string, options?: StoreOptions & { readonly artifactType?: string }): Promise<readonly Descriptor[]>;
}

/** Source: OCI Distribution Specification 1.1, "Pushing Manifests": registries accept 4 MiB */
export const LARGEST_MANIFEST: Bytes = 4 * 1024 ** 2;
