/** Releases as images: found and judged in a store, and brought to a place by the fewest bytes. Nothing reaches the place that the release does not name. */
import { AppError } from "../core/error.ts";
import { hex } from "../core/digest.ts";
import { giveBack } from "../core/give-back.ts";
import type { Bytes } from "../core/units.ts";
import { sha256 } from "../host/sha256.ts";
import type { Downloaded } from "../layout/operation.ts";
import { countDownloads } from "../registry/count-downloads.ts";
import { fetchSegments, type WantedSegment } from "../registry/fetch-segments.ts";
import { findDeltas, openRelease, readSegments, type FoundDelta, type FoundRelease } from "../registry/open-release.ts";
import { judgeStored } from "../registry/judge-stored.ts";
import { readPositions } from "../registry/read-positions.ts";
import { DIGEST, formatReference, type Reference } from "../registry/reference.ts";
import type { ImageStore } from "../registry/store.ts";
import { assembleImage, readSegment, type Assembly } from "../release/assemble-image.ts";
import { chooseWay, isWorthReading, wayText, type Way } from "../release/choose-way.ts";
import type { ImageWriter } from "../release/copy-image.ts";
import { applyDelta, readDeltaHeader, type Unpack, type UnpackPieces } from "../release/delta/apply-delta.ts";
import { mediumError, type ImageReader } from "../release/image-reader.ts";
import { ARCHITECTURE } from "../release/manifest.ts";
import { deliveredSize, imageLayout, segmentAt, type SegmentList } from "../release/segments.ts";
import type { FoundManifest } from "../release/verify-image.ts";
import type { InspectedImage, ReleaseJudgement } from "./operations/ports.ts";

/** The image that runs, as it lies on the disk: what it has does not have to be downloaded. */
export interface RunningImage {
  readonly image: ImageReader;
  readonly found: FoundManifest;
}

export interface InspectMeans {
  readonly store: ImageStore;
  readonly reference: Reference;
  /** Without it the release is only looked at. */
  readonly judgement: ReleaseJudgement | undefined;
  readonly running: RunningImage | undefined;
  readonly signal?: AbortSignal;
}

/**
 * What a release is, whether the machine takes it, and how its bytes would come. The source that is returned names it by digest: a tag that is moved
 * meanwhile changes nothing.
 *
 * @throws AppError as openRelease, as mayUpgrade refuses it
 */
export async function inspectRelease({ store, reference, judgement, running, signal }: InspectMeans): Promise<InspectedImage> {
  const found = await openRelease(store, await wantedOf(store, reference, signal), { architecture: ARCHITECTURE, signal });
  const { index, release, imageManifest } = found;
  const judged = judgement && (await judgedBy(judgement, { store, signal }, found));
  const way = chooseWay({ ...(await offered(store, found, running, signal)), done: 0, shared: undefined });
  const { tag: _, ...repository } = reference;
  const { name, version, kernel, created, architecture, sizes, machineConfig } = imageManifest;
  return {
    image: { name, version, digest: imageDigest(found), size: sizes.image },
    source: { is: "registry", reference: formatReference({ ...repository, digest: index.digest }) },
    ...{ kernel, created, architecture },
    ...(machineConfig && { machineConfig }),
    trust: judged?.signedBy === undefined ? "unsigned" : `signed by ${judged.signedBy}`,
    release: {
      created: release.created,
      ...(judged?.signedBy === undefined ? {} : { signedBy: judged.signedBy }),
      ...(judged?.keys ? { keys: judged.keys } : {}),
      ...(release.security ? { security: true } : {}),
    },
    delivery: { way: wayText(way), bytes: way.bytes, of: way.full },
  };
}

async function judgedBy(
  { told, ...question }: ReleaseJudgement,
  { store, signal }: { readonly store: ImageStore; readonly signal: AbortSignal | undefined },
  found: FoundRelease,
) {
  const answer = await judgeStored(store, found, { ...question, told: new Set(told) }, { signal });
  if (!answer.allowed) throw answer.refusal;
  return answer;
}

export interface WriteMeans {
  readonly store: ImageStore;
  /** By digest. */
  readonly reference: Reference;
  /** SHA-256 of the image's manifest that is expected, hex. */
  readonly digest: string;
  readonly running: RunningImage | undefined;
  readonly place: ImageReader;
  readonly writer: ImageWriter;
  readonly unpack: Unpack;
  readonly unpackPieces: UnpackPieces;
  /** Others get their turn. */
  readonly turn: () => Promise<void>;
  /** Bytes of segments that are durable, and what has come for them. */
  readonly written: (written: Bytes, downloaded: Downloaded) => void;
  /** How the bytes come; again where one way turned out to be none. */
  readonly way: (text: string) => void;
  readonly signal?: AbortSignal;
}

/**
 * Writes a release's image over a place, and goes on where an earlier write stopped. A delta that turns out to be of no use is given up for segments.
 *
 * Memory: at most 24 MiB of packed segments or 25 MiB for a delta, two segments, what unpacking takes, and the hash tree.
 *
 * @throws AppError `IMAGE_CHANGED`, `RELEASE_INVALID`; StoreError; what the writer rejects with
 */
export async function writeRelease(means: WriteMeans): Promise<Downloaded> {
  const { reference, digest, running, place, writer, written, signal } = means;
  let came = 0;
  const store = countDownloads(means.store, (bytes) => (came += bytes));
  const found = await openRelease(store, await wantedOf(store, reference, signal), { architecture: ARCHITECTURE, signal });
  if (imageDigest(found) !== digest)
    throw new AppError("IMAGE_CHANGED", "the source has another image by now: nothing was written");
  const offer = await offered(store, found, running, signal);
  const { list } = offer;
  const { full } = chooseWay({ ...offer, done: 0, shared: undefined });
  const downloaded = (): Downloaded => ({ bytes: came, of: full });
  const assembly = await assembleImage({
    ...{ list, manifest: found.imageManifest, place, writer, sha256, signal },
    durable: (segments) => written(Math.min(segments * list.segmentSize, list.imageSize), downloaded()),
  });

  const first = chooseWay({ ...offer, done: assembly.count(), shared: undefined });
  const known = isWorthReading(first) && running ? await segmentsOf(running, list, signal) : undefined;
  const ways = { ...offer, shared: known && new Set(known.keys()) };
  let way = chooseWay({ ...ways, done: assembly.count() });
  means.way(wayText(way));
  if (way.by === "delta") {
    const why = await bringByDelta(way, { ...means, store }, list, assembly);
    if (why !== undefined) {
      way = chooseWay({ ...ways, deltas: [], done: assembly.count() });
      means.way(`${wayText(way)} (${why})`);
    }
  }
  await bringSegments({ ...means, store }, list, assembly, known);
  await assembly.finish();
  return downloaded();
}

export interface CheckMeans {
  readonly store: ImageStore;
  /** By digest. */
  readonly reference: Reference;
  /** SHA-256 of the image's manifest that is expected, hex. */
  readonly digest: string;
  readonly unpack: Unpack;
  readonly progress: (far: { readonly done: Bytes; readonly total: Bytes }) => void;
  readonly signal?: AbortSignal;
}

/**
 * Fetches every segment of a release and keeps none: whether each is what the signed list says, and all of them come to the root hash of the manifest.
 *
 * @returns what is wrong with it @throws AppError `IMAGE_CHANGED`; StoreError where nobody can tell
 */
export async function checkRelease({ progress, ...means }: CheckMeans): Promise<string | undefined> {
  const { store, reference, digest, unpack, signal } = means;
  const found = await openRelease(store, await wantedOf(store, reference, signal), { architecture: ARCHITECTURE, signal });
  if (imageDigest(found) !== digest) throw new AppError("IMAGE_CHANGED", "the source has another image by now");
  const list = await readSegments(store, found, { signal });
  const nowhere = { size: list.imageSize, read: async () => await Promise.resolve(new Uint8Array()) };
  const writer = { write: async () => await Promise.resolve(), flush: async () => await Promise.resolve() };
  const total = deliveredSize(list);
  const assembly = await assembleImage({
    ...{ list, manifest: found.imageManifest, place: nowhere, writer, sha256, signal },
    durable: (segments) => progress({ done: Math.min(segments * list.segmentSize, total), total }),
  });
  try {
    await bringSegments(
      { store, place: nowhere, unpack, running: undefined, ...(signal ? { signal } : {}) },
      list,
      assembly,
      undefined,
    );
    await assembly.finish();
    return undefined;
  } catch (error) {
    if (error instanceof AppError && IS_DAMAGE.has(error.code)) return error.message;
    throw error;
  }
}
const IS_DAMAGE: ReadonlySet<string> = new Set(["RELEASE_INVALID", "REGISTRY_INVALID", "REGISTRY_NOT_FOUND"]);

async function offered(
  store: ImageStore,
  found: FoundRelease,
  running: RunningImage | undefined,
  signal: AbortSignal | undefined,
): Promise<{ readonly list: SegmentList; readonly deltas: readonly FoundDelta[]; readonly running: string | undefined }> {
  const list = await readSegments(store, found, { signal });
  const from = running?.found.digest;
  return { list, deltas: from === undefined ? [] : await findDeltas(store, found, { from, signal }), running: from };
}

/** What is wrong with a delta, or with the image that it is applied to: there are other ways then. */
const OF_NO_USE: ReadonlySet<string> = new Set([
  ...["DELTA_INVALID", "DELTA_NEWER", "DELTA_OTHER_IMAGE", "RELEASE_INVALID"],
  ...["REGISTRY_INVALID", "REGISTRY_NOT_FOUND"],
]);

/** @returns why it was given up; what it has made by then counts */
async function bringByDelta(
  { delta }: Extract<Way<FoundDelta>, { readonly by: "delta" }>,
  { store, running, unpackPieces, turn, digest, signal }: WriteMeans,
  list: SegmentList,
  assembly: Assembly,
): Promise<string | undefined> {
  if (!running) return "the running image cannot be read";
  await using reader = readPositions(store, delta.descriptor, { signal });
  try {
    const header = await readDeltaHeader(reader, sha256);
    const isOfRelease =
      hex(header.oldDigest) === running.found.digest &&
      hex(header.newDigest) === digest &&
      header.newSize === list.imageSize &&
      header.segmentSize === list.segmentSize &&
      header.omitted.start === list.omitted.start &&
      header.omitted.size === list.omitted.length &&
      header.segments.every((one, index) => hex(one) === list.segments[index]?.sha256);
    if (!isOfRelease) throw new AppError("DELTA_OTHER_IMAGE", "the delta does not make the image of this release");
    await applyDelta(header, {
      ...{ old: running.image, delta: reader, sha256, unpack: unpackPieces, turn, signal },
      from: assembly.count(),
      write: async () => await Promise.resolve(), // where it belongs is the assembly's to know
      done: async (_, segment) => await assembly.add(segment),
    });
    return undefined;
  } catch (error) {
    signal?.throwIfAborted();
    const isOfNoUse = (error instanceof AppError && OF_NO_USE.has(error.code)) || mediumError(error) !== undefined;
    if (!isOfNoUse) throw error;
    return `the delta was given up: ${(error as Error).message}`;
  }
}

/** Which segment of the running image has that SHA-256. */
type Known = ReadonlyMap<string, number>;

/** Whatever is missing: zeros, what the running image has, what has come already, and the rest from the store. */
async function bringSegments(
  { store, running, place, unpack, signal }: Pick<WriteMeans, "store" | "running" | "place" | "unpack" | "signal">,
  list: SegmentList,
  assembly: Assembly,
  known: Known | undefined,
): Promise<void> {
  const { segments, segmentSize } = list;
  const first = assembly.count();
  const before = new Map<string, number>(); // where a blob that several segments are made of has come first
  const from = segments.map(({ sha256: sum, packed }, index): "zeros" | "running" | "fetch" | { readonly like: number } => {
    if (!packed) return "zeros";
    const like = before.get(packed.digest);
    if (like === undefined) before.set(packed.digest, index);
    if (known?.has(sum)) return "running";
    return like === undefined ? "fetch" : { like };
  });
  const wanted = segments.flatMap(({ packed }, index) =>
    index >= first && packed && from[index] === "fetch" ? [{ packed, length: segmentAt(list, index).length }] : [],
  );
  const fetched = fetchSegments(store, wanted, segmentSize, { unpack, signal });
  const buffer = new Uint8Array(segmentSize);
  try {
    for (let index = first; index < segments.length; index++) {
      signal?.throwIfAborted();
      const { sha256: sum, packed } = segments[index]!;
      const segment = segmentAt(list, index);
      const way = from[index]!;
      let bytes: Uint8Array | undefined;
      if (way === "zeros") bytes = buffer.fill(0).subarray(0, segment.length);
      else if (way === "running") bytes = await readSegment(running!.image, cutOf(running!, list), known!.get(sum)!, buffer);
      else if (way === "fetch") {
        const { done, value } = await fetched.next();
        bytes = done ? undefined : value;
      } else bytes = await readSegment(place, list, way.like, buffer);
      await assembly.add(bytes ?? (await fetchOne(store, { packed: packed!, length: segment.length }, unpack, signal)));
    }
  } finally {
    await fetched.return(undefined);
  }
}

/** In place of what was on this disk, and cannot be read any more. */
async function fetchOne(
  store: ImageStore,
  wanted: WantedSegment,
  unpack: Unpack,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const coming = fetchSegments(store, [wanted], wanted.length, { unpack, signal });
  const { value } = await coming.next();
  await coming.return(undefined);
  return value!;
}

/** The running image cut as the new one is. */
function cutOf({ found }: RunningImage, { segmentSize }: Pick<SegmentList, "segmentSize">) {
  const { size, omitted } = imageLayout(found.manifest, sha256);
  return { imageSize: size, omitted, segmentSize };
}

/** Reads the whole running image. What of it cannot be read is not had. */
async function segmentsOf(running: RunningImage, list: SegmentList, signal: AbortSignal | undefined): Promise<Known> {
  const cut = cutOf(running, list);
  const buffer = new Uint8Array(list.segmentSize);
  const known = new Map<string, number>();
  for (let index = 0; index * cut.segmentSize < deliveredSize(cut); index++) {
    signal?.throwIfAborted();
    const bytes = await readSegment(running.image, cut, index, buffer);
    if (bytes) known.set(hex(sha256.digest(bytes)), index);
  }
  giveBack(buffer);
  return known;
}

/** SHA-256 of the image's manifest, as boot records and deltas name images. */
const imageDigest = ({ release }: Pick<FoundRelease, "release">): string =>
  hex(sha256.digest(new TextEncoder().encode(release.manifest)));

/**
 * What of a repository is meant: a digest, a tag, else `latest`; of a folder with one tag only, that.
 *
 * @throws AppError `RELEASE_NOT_FOUND`
 */
async function wantedOf(store: ImageStore, { kind, digest, tag }: Reference, signal: AbortSignal | undefined): Promise<string> {
  if (digest !== undefined && DIGEST.test(digest)) return digest;
  if (tag !== undefined) return tag;
  if (kind === "registry") return "latest";
  const tags: string[] = [];
  for await (const one of store.tags({ signal })) if (!/^sha256-[0-9a-f]{64}/.test(one)) tags.push(one);
  if (tags.length === 1) return tags[0]!;
  throw new AppError("RELEASE_NOT_FOUND", `${store.origin} has ${tags.length === 0 ? "no release" : `${tags.length} releases`}`, {
    hint: tags.length === 0 ? "Copy one there: `petrify copy`." : `Say which: ${store.origin}:${tags.toSorted()[0]}`,
  });
}
