/** Releases as a store has them. Everything is compared with the digest that names it, from the index on; whose the index is, its signatures say. */
import { KiB, MiB, type Bytes } from "../core/units.ts";
import { sha256 } from "../host/sha256.ts";
import { zstdUnpack } from "../host/zstd.ts";
import { OCI_MEDIA } from "../layout/oci-image.ts";
import type { FoundSignatures } from "../release/judge-release.ts";
import type { Manifest } from "../release/manifest.ts";
import {
  DELTA_KEYS,
  DELTA_MEDIA,
  noRelease,
  onlyLayer,
  parseReleaseIndex,
  parseReleaseManifest,
} from "../release/release-artifact.ts";
import { decodeRelease, type Release } from "../release/release.ts";
import { imageLayout, LARGEST_LIST, packedBound, parseSegments, type SegmentList } from "../release/segments.ts";
import { MOST_CLAIMS } from "../release/signers.ts";
import { BUNDLE_MEDIA } from "../release/sigstore-bundle.ts";
import { readSignatureImage, signatureTag, type SimpleSignature } from "../release/simple-signing.ts";
import { AppError } from "../core/error.ts";
import { parseManifestHead, type Descriptor } from "./documents.ts";
import { invalidAnswer, StoreError } from "./errors.ts";
import { wholeBlob } from "./read-blob.ts";
import type { ImageStore, StoredManifest, StoreOptions } from "./store.ts";

/** cosign 3 lists its bundles in a fallback tag by the type of their empty config; what they are, their own manifest says. */
const BUNDLES_LISTED_AS: ReadonlySet<string | undefined> = new Set([BUNDLE_MEDIA, "application/vnd.oci.empty.v1+json"]);

export interface FoundRelease {
  /** What the tag leads to, and what is signed. */
  readonly index: Descriptor;
  /** The release's own manifest: deltas refer to it. */
  readonly manifest: Descriptor;
  /** The plain container image of the same system. */
  readonly container: Descriptor | undefined;
  readonly release: Release;
  readonly imageManifest: Manifest;
  /** The document that {@link readSegments} reads. */
  readonly list: Descriptor;
}

const LARGEST_RELEASE: Bytes = 256 * KiB;
/** A signature of a digest has some 3 KiB; statements about contents are larger, and are no signatures of a release. */
const LARGEST_BUNDLE: Bytes = MiB;
/** Artifacts that refer to one release are looked at up to so many: whoever may write to a registry must not keep a machine busy. */
const MOST_REFERRERS = 4 * MOST_CLAIMS;

/**
 * The release that a tag or digest leads to. It says nothing about who made it.
 *
 * @param how.architecture as manifests name it: `x86-64`
 * @throws AppError `RELEASE_INVALID`, `RELEASE_NOT_FOUND` (an image of another kind), `RELEASE_NO_ARCHITECTURE`, StoreError
 */
export async function openRelease(
  store: ImageStore,
  reference: string,
  { architecture, ...options }: StoreOptions & { readonly architecture: string },
): Promise<FoundRelease> {
  const { descriptor: index, bytes } = await store.getManifest(reference, options);
  const origin = `${store.origin}${reference.startsWith("sha256:") ? "@" : ":"}${reference}`;
  if (index.mediaType !== OCI_MEDIA.index) throw noRelease(origin);
  const { release: entry, container } = parseReleaseIndex(bytes, architecture, origin);
  const stored = await namedManifest(store, entry, options);
  const { release: document, list } = parseReleaseManifest(stored.bytes, `${origin}: its manifest`);
  const text = await wholeBlob(store, document, LARGEST_RELEASE, options);
  const { release, manifest: imageManifest } = decodeRelease(text, `${origin}: the release`, sha256);
  const invalid = (what: string): AppError => new AppError("RELEASE_INVALID", `${origin}: ${what}`, { hint: "Push it again." });
  if (imageManifest.architecture !== architecture)
    throw invalid(`its image is for ${imageManifest.architecture}, and it is listed for ${architecture}`);
  if (release.segments?.digest !== list.digest || release.segments.size !== list.size)
    throw invalid("its list of segments is not the one that the release names");
  return { index: plain(index), manifest: plain(stored.descriptor), container, release, imageManifest, list };
}

/** @throws AppError `RELEASE_INVALID`, also for a list that is not of the release's image; StoreError */
export async function readSegments(
  store: ImageStore,
  { list, imageManifest }: Pick<FoundRelease, "list" | "imageManifest">,
  options: StoreOptions = {},
): Promise<SegmentList> {
  const origin = `${store.origin}: the list of segments`;
  const packed = await wholeBlob(store, list, packedBound(LARGEST_LIST), options);
  const bytes = await zstdUnpack(packed, LARGEST_LIST).catch((cause: unknown) => {
    throw new AppError("RELEASE_INVALID", `${origin}: cannot be unpacked`, { hint: "Push the release again.", cause });
  });
  const segments = parseSegments(bytes, origin);
  const { size, omitted } = imageLayout(imageManifest, sha256);
  const isOfImage =
    segments.imageSize === size && segments.omitted.start === omitted.start && segments.omitted.length === omitted.length;
  if (!isOfImage) throw new AppError("RELEASE_INVALID", `${origin}: is of another image`, { hint: "Push the release again." });
  return segments;
}

export interface FoundDelta {
  /** Of the blob. */
  readonly descriptor: Descriptor;
  /** SHA-256 of the old image's manifest, hex. */
  readonly from: string;
  /** Of the old image; for people. */
  readonly fromVersion: string | undefined;
  readonly size: Bytes;
}

/**
 * Deltas to a release. Nothing here is signed: whoever applies one compares every segment with the release's list.
 *
 * @param options.from only deltas from that image: SHA-256 of its manifest, hex
 * @returns what is no delta is not among them @throws StoreError
 */
export async function findDeltas(
  store: ImageStore,
  { manifest }: Pick<FoundRelease, "manifest">,
  options: StoreOptions & { readonly from?: string } = {},
): Promise<readonly FoundDelta[]> {
  const { from: wanted, signal } = options;
  const listed = await store.referrers(manifest.digest, { artifactType: DELTA_MEDIA, signal });
  const found: FoundDelta[] = [];
  // Some lists come without annotations: those are in the manifest, too.
  const maybe = listed.filter(({ annotations }) => wanted === undefined || (annotations?.[DELTA_KEYS.from] ?? wanted) === wanted);
  for (const entry of maybe.slice(0, MOST_REFERRERS)) {
    const stored = await orNothing(async () => await namedManifest(store, entry, { signal }));
    const descriptor = stored && onlyLayer(stored.bytes, DELTA_MEDIA);
    if (!descriptor) continue;
    const { annotations, subject } = parseManifestHead(stored.bytes, store.origin);
    const from = annotations?.[DELTA_KEYS.from];
    if (from === undefined || subject?.digest !== manifest.digest || (wanted !== undefined && from !== wanted)) continue;
    found.push({ descriptor, from, fromVersion: annotations?.[DELTA_KEYS.version], size: descriptor.size });
  }
  return found;
}

/**
 * Signatures of an index in both forms. They may be anybody's, and about anything.
 *
 * @throws where none can be read: what is wrong with the first one; StoreError
 */
export async function findSignatures(
  store: ImageStore,
  { digest }: Pick<Descriptor, "digest">,
  options: StoreOptions = {},
): Promise<FoundSignatures> {
  const unreadable: unknown[] = [];
  const simple = (await orNothing(async () => await simpleSignatures(store, digest, options), unreadable)) ?? [];
  const bundles: Uint8Array[] = [];
  const listed = (await store.referrers(digest, options)).filter(({ artifactType }) => BUNDLES_LISTED_AS.has(artifactType));
  for (const entry of listed.slice(0, MOST_REFERRERS)) {
    const bundle = await orNothing(async () => await bundleOf(store, entry, options), unreadable);
    if (bundle) bundles.push(bundle);
  }
  if (unreadable.length > 0 && simple.length === 0 && bundles.length === 0) throw unreadable[0];
  return { simple, bundles };
}

async function simpleSignatures(store: ImageStore, digest: string, options: StoreOptions): Promise<readonly SimpleSignature[]> {
  const tag = signatureTag(digest);
  if (!(await store.headManifest(tag, options))) return [];
  const { bytes } = await store.getManifest(tag, options);
  const signatures: SimpleSignature[] = [];
  for (const { payload, signature } of readSignatureImage(bytes, `${store.origin}:${tag}`)) {
    signatures.push({ payload: await wholeBlob(store, payload, payload.size, options), signature });
  }
  return signatures;
}

async function bundleOf(store: ImageStore, entry: Descriptor, options: StoreOptions): Promise<Uint8Array | undefined> {
  const { bytes } = await namedManifest(store, entry, options);
  const layer = onlyLayer(bytes, BUNDLE_MEDIA);
  return layer && layer.size <= LARGEST_BUNDLE ? await wholeBlob(store, layer, LARGEST_BUNDLE, options) : undefined;
}

/** What another document names: with the size and the type that it says. */
async function namedManifest(store: ImageStore, named: Descriptor, options: StoreOptions): Promise<StoredManifest> {
  const stored = await store.getManifest(named.digest, options);
  const { mediaType, size } = stored.descriptor;
  if (size !== named.size || mediaType !== named.mediaType)
    throw invalidAnswer(store.origin, `manifest ${named.digest} is not what it is listed as`);
  return stored;
}

/** What a stranger may have put beside a release, and what is no longer there, does not keep anybody from the rest. */
async function orNothing<T>(body: () => Promise<T>, unreadable: unknown[] = []): Promise<T | undefined> {
  try {
    return await body();
  } catch (error) {
    const passing = error instanceof StoreError && error.code !== "REGISTRY_INVALID" && error.code !== "REGISTRY_NOT_FOUND";
    if (!(error instanceof AppError) || passing) throw error;
    unreadable.push(error);
    return undefined;
  }
}

const plain = ({ mediaType, digest, size }: Descriptor): Descriptor => ({ mediaType, digest, size });
