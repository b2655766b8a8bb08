/** Brings a release to a store: what is there already is not sent again, what names other things follows them, and the tag comes last. */
import { hex } from "../core/digest.ts";
import type { Bytes } from "../core/units.ts";
import { sha256 } from "../host/sha256.ts";
import { zstdPackSegment } from "../host/zstd.ts";
import type { ReadAt } from "../layout/gpt.ts";
import { OCI_MEDIA } from "../layout/oci-image.ts";
import { descriptorOf, referrer, type OciArtifact, type ReferrerInput } from "../release/oci-artifact.ts";
import { RELEASE_MEDIA, releaseIndex, releaseManifest, SEGMENT_LIST_MEDIA } from "../release/release-artifact.ts";
import { encodeRelease, type Release } from "../release/release.ts";
import {
  deliveredSize,
  encodeSegments,
  imageLayout,
  packedSegments,
  placesInImage,
  SEGMENT_SIZE,
  segmentAt,
  type Segment,
  type SegmentList,
} from "../release/segments.ts";
import type { FoundManifest } from "../release/verify-image.ts";
import { AppError } from "../core/error.ts";
import { forEachAtOnce, turnstile } from "./at-once.ts";
import type { Descriptor } from "./documents.ts";
import { openRelease, readSegments, type FoundRelease } from "./open-release.ts";
import { listsBefore, packedIn, type PackedSegments } from "./packed-segments.ts";
import type { BlobSource, ImageStore } from "./store.ts";

const UPLOADS = 4;
const ZEROS = new Uint8Array(SEGMENT_SIZE);

/** A container image that is to be pushed along: its manifest, and all that it names. */
export interface PushedContainer {
  readonly manifest: Uint8Array;
  readonly blobs: readonly { readonly descriptor: Pick<Descriptor, "digest" | "size">; readonly source: BlobSource }[];
}
export interface PushInput {
  readonly store: ImageStore;
  readonly tag: string;
  /** Has been verified, every byte of it. */
  readonly image: { readonly read: ReadAt };
  readonly found: FoundManifest;
  /** Of the release; times are seconds since 1970. */
  readonly facts: {
    readonly created: number;
    /** By when the release was made. */
    readonly expires?: (created: number) => number;
    readonly channel?: string | undefined;
    readonly security?: boolean;
    readonly keys?: Release["keys"];
  };
  readonly container?: PushedContainer | undefined;
  /** How the image is cut; default and most: {@link SEGMENT_SIZE}. */
  readonly segmentSize?: Bytes;
  /** What is said about the release: bills of materials, provenance. */
  readonly about?: (index: Descriptor) => readonly Pick<ReferrerInput, "artifactType" | "bytes" | "annotations">[];
  /** zstd, with a window of at most 16 MiB; runs in another thread. */
  readonly pack: (segment: Uint8Array) => Promise<Uint8Array>;
  /** How many are packed at once; default 2. */
  readonly packers?: number;
  /** Bytes of the image that are done, and bytes that were sent. */
  readonly progress?: (done: Bytes, of: Bytes, sent: Bytes) => void;
  readonly signal?: AbortSignal | undefined;
}
export interface PushedRelease extends FoundRelease {
  /** Whether the tag leads to something else, or to nothing, until {@link publish}. */
  readonly changed: boolean;
  /** Bytes of all blobs of segments, each once. */
  readonly packed: Bytes;
  /** Of them, what the store did not have. */
  readonly sent: Bytes;
  /** Lets the tag lead to it: when what belongs beside it, signatures and deltas, is there, too. */
  readonly publish: () => Promise<void>;
}

/**
 * Puts everything but the tag there. The same image for the same tag, with nothing else changed, is the same release: it keeps its time of creation, until
 * it has expired.
 *
 * Memory: a segment and its packed form for each packer and for 4 that are sent, and what packing takes.
 *
 * @throws AppError `RELEASE_INVALID`, StoreError
 */
export async function pushRelease(input: PushInput): Promise<PushedRelease> {
  const { store, tag, found, container: image, about, signal } = input;
  const before = await releaseBefore(input);
  const { architecture } = found.manifest;
  const others = await listsBefore(store, { tag, architecture, signal });
  const { segments, sent } = await pushSegments(input, packedIn([...others, ...(before ? [before.segments] : [])]));
  const list = await putList(store, segments, before, signal);
  const release = releaseOf(input, list, before?.release);
  const document = await putDocument(store, RELEASE_MEDIA, encodeRelease(release, sha256), signal);
  const container = image && (await pushContainer(store, image, signal));
  const blobs = packedSegments(segments);
  const manifest = await store.putManifest(releaseManifest({ release: document, list, segments: blobs }), OCI_MEDIA.manifest, {
    signal,
  });
  const bytes = releaseIndex({ container, release: manifest, architecture, annotations: annotationsOf(release) });
  const index = await store.putManifest(bytes, OCI_MEDIA.index, { signal });
  const artifacts = (about?.(index) ?? []).map((one) => referrer({ ...one, subject: index, sha256 }));
  await pushReferrers(store, index, artifacts, signal);
  const changed = before?.index !== index.digest;
  return {
    ...{ index, manifest, container, release, imageManifest: found.manifest, list, changed, sent },
    packed: blobs.reduce((sum, { size }) => sum + size, 0),
    publish: async () => {
      if (changed) await store.putManifest(bytes, OCI_MEDIA.index, { tag, signal });
    },
  };
}

async function pushContainer(
  store: ImageStore,
  { manifest, blobs }: PushedContainer,
  signal: AbortSignal | undefined,
): Promise<Descriptor> {
  await forEachAtOnce(blobs, UPLOADS, signal, async ({ descriptor, source }, stop) => {
    await store.putBlob(descriptor, source, { signal: stop });
  });
  return await store.putManifest(manifest, OCI_MEDIA.manifest, { signal });
}

interface ReleaseBefore {
  readonly index: string;
  readonly release: Release;
  readonly list: Descriptor;
  readonly segments: SegmentList;
}

/** What the tag leads to now; nothing where that is no release that can be compared with. */
async function releaseBefore({ store, tag, found, signal }: PushInput): Promise<ReleaseBefore | undefined> {
  if (!(await store.headManifest(tag, { signal }))) return undefined;
  try {
    const before = await openRelease(store, tag, { architecture: found.manifest.architecture, signal });
    const segments = await readSegments(store, before, { signal });
    return { index: before.index.digest, release: before.release, list: before.list, segments };
  } catch (error) {
    // It is replaced in any case.
    if (error instanceof AppError && /^RELEASE_|^REGISTRY_(?:INVALID|NOT_FOUND)$/.test(error.code)) return undefined;
    throw error;
  }
}

function releaseOf({ found, facts }: PushInput, list: Descriptor, before: Release | undefined): Release {
  const { name, version } = found.manifest;
  const at = (created: number): Release => ({
    ...{ format: 1, name, version, created, manifest: new TextDecoder().decode(found.bytes) },
    ...(facts.channel === undefined ? {} : { channel: facts.channel }),
    ...(facts.expires === undefined ? {} : { expires: facts.expires(created) }),
    ...(facts.security ? { security: true } : {}),
    ...(facts.keys === undefined ? {} : { keys: facts.keys }),
    segments: { digest: list.digest, size: list.size },
  });
  // One that has ended is made anew: it is what somebody wants who pushes it again.
  const isOver = before?.expires !== undefined && before.expires <= facts.created;
  const same = before && !isOver ? at(before.created) : undefined;
  return before && same && isEqual(encodeRelease(same, sha256), encodeRelease(before, sha256)) ? same : at(facts.created);
}

/** Predefined keys. Source: OCI Image Format Specification 1.1, annotations.md */
const annotationsOf = ({ name, version, created }: Release): Readonly<Record<string, string>> => ({
  "org.opencontainers.image.created": new Date(created * 1000).toISOString().replace(".000Z", "Z"),
  "org.opencontainers.image.title": name,
  "org.opencontainers.image.version": version,
});

async function pushSegments(
  { store, image, found, segmentSize = SEGMENT_SIZE, pack, packers = 2, progress, signal }: PushInput,
  known: PackedSegments,
): Promise<{ readonly segments: SegmentList; readonly sent: Bytes }> {
  const { size: imageSize, omitted } = imageLayout(found.manifest, sha256);
  const cut = { format: 1, imageSize, segmentSize, omitted } as const;
  const size = deliveredSize(cut);
  const going = new Map<string, Promise<Segment>>();
  const segments: Segment[] = [];
  const packing = turnstile(packers);
  let done = 0;
  let sent = 0;
  const push = async (bytes: Uint8Array, digest: string, stop: AbortSignal): Promise<Segment> => {
    if (isEqual(bytes, ZEROS.subarray(0, bytes.length))) return { sha256: digest };
    const old = known.get(digest);
    if (old && (await store.hasBlob(old, { signal: stop }))) return { sha256: digest, packed: old };
    const blob = await packing(async () => await pack(bytes));
    stop.throwIfAborted();
    const packed = { digest: `sha256:${hex(sha256.digest(blob))}`, size: blob.length };
    if ((await store.putBlob(packed, sourceOf(blob), { signal: stop })) === "sent") sent += blob.length;
    return { sha256: digest, packed };
  };
  const count = Math.ceil(size / segmentSize);
  await forEachAtOnce(Array.from({ length: count }).keys(), UPLOADS + packers, signal, async (index, stop) => {
    const bytes = readSegment(image.read, cut, index);
    const digest = hex(sha256.digest(bytes));
    const same = going.get(digest) ?? push(bytes, digest, stop);
    going.set(digest, same);
    segments[index] = await same;
    done += bytes.length;
    progress?.(done, size, sent);
  });
  return { segments: { ...cut, segments }, sent };
}

function readSegment(read: ReadAt, cut: Omit<SegmentList, "segments" | "format">, index: number): Uint8Array {
  const bytes = new Uint8Array(segmentAt(cut, index).length);
  for (const { start, length, inSegment } of placesInImage(cut, index)) {
    const part = read(start, length);
    if (part.length !== length) throw new Error(`the image ends before byte ${start + length}`);
    bytes.set(part, inSegment);
  }
  return bytes;
}

/** Puts what refers to a manifest, unless it is listed there already. */
export async function pushReferrers(
  store: ImageStore,
  subject: Pick<Descriptor, "digest">,
  artifacts: readonly OciArtifact[],
  signal: AbortSignal | undefined,
): Promise<void> {
  if (artifacts.length === 0) return;
  const listed = new Set((await store.referrers(subject.digest, { signal })).map(({ digest }) => digest));
  for (const { manifest, blobs } of artifacts) {
    if (listed.has(descriptorOf(OCI_MEDIA.manifest, manifest, sha256).digest)) continue;
    for (const { descriptor, bytes } of blobs) await store.putBlob(descriptor, sourceOf(bytes), { signal });
    await store.putManifest(manifest, OCI_MEDIA.manifest, { signal });
  }
}

/** The same list is the same blob, also where another version of the packer would make other bytes of it. */
async function putList(
  store: ImageStore,
  segments: SegmentList,
  before: ReleaseBefore | undefined,
  signal: AbortSignal | undefined,
): Promise<Descriptor> {
  const bytes = encodeSegments(segments);
  if (before && isEqual(bytes, encodeSegments(before.segments))) return before.list;
  return await putDocument(store, SEGMENT_LIST_MEDIA, await zstdPackSegment(bytes), signal);
}

async function putDocument(
  store: ImageStore,
  mediaType: string,
  bytes: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<Descriptor> {
  const descriptor = descriptorOf(mediaType, bytes, sha256);
  await store.putBlob(descriptor, sourceOf(bytes), { signal });
  return descriptor;
}

const sourceOf = (bytes: Uint8Array): BlobSource =>
  async function* (from) {
    yield bytes.subarray(from);
  };
const isEqual = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;
