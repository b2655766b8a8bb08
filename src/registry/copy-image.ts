/** Copies what a name leads to from one store to another, byte by byte: every digest stays what it is. */
import type { Bytes } from "../core/units.ts";
import { BUNDLE_MEDIA } from "../release/sigstore-bundle.ts";
import { DELTA_MEDIA } from "../release/release-artifact.ts";
import { IN_TOTO_MEDIA } from "../release/in-toto.ts";
import { signatureTag } from "../release/simple-signing.ts";
import { forEachAtOnce } from "./at-once.ts";
import { parseContents, type Descriptor } from "./documents.ts";
import { invalidAnswer } from "./errors.ts";
import { missing } from "./repository.ts";
import { steadySource } from "./steady-source.ts";
import type { ImageStore, StoredManifest } from "./store.ts";

export interface CopyWish {
  readonly from: ImageStore;
  readonly to: ImageStore;
  /** A tag or a digest of `from`. */
  readonly reference: string;
  /** What it is called in `to`; without one it has its digest alone. */
  readonly tag?: string | undefined;
  /** Default: `release`, what petrify knows: signatures, deltas, bills of materials, provenance. */
  readonly referrers?: "release" | "all";
  /** The repository of `from` where both are of one registry: what it has need not be sent. */
  readonly mountFrom?: string | undefined;
  readonly progress?: (done: { readonly bytes: Bytes; readonly total: Bytes }) => void;
  readonly signal?: AbortSignal | undefined;
}
export interface Copied {
  readonly descriptor: Descriptor;
  readonly manifests: number;
  /** Those of the manifests that refer to others; signatures under a tag count as such. */
  readonly referrers: number;
  readonly blobs: { readonly sent: number; readonly mounted: number; readonly there: number };
  readonly bytes: { readonly sent: Bytes; readonly total: Bytes };
}

const AT_ONCE = 4;
const DEEPEST = 5;
/** Manifests of one copy; together they stay in memory until it is done. */
const MOST_MANIFESTS = 2000;
const MOST_BYTES: Bytes = 64 * 1024 ** 2;
/** Of what is about a release: those of others are copied when somebody asks for all. */
const KNOWN: ReadonlySet<string> = new Set([
  ...[BUNDLE_MEDIA, DELTA_MEDIA, IN_TOTO_MEDIA],
  ...["application/spdx+json", "application/vnd.cyclonedx+json"],
]);
/** Tags that cosign 2 has beside signatures. Source: cosign, specs/SIGNATURE_SPEC.md */
const COSIGN_TAGS = [".att", ".sbom"] as const;

/** What is going to be copied, what is named before what names it. */
interface Plan {
  readonly manifests: Map<string, Planned>;
  readonly blobs: Map<string, Pick<Descriptor, "digest" | "size">>;
}
interface Planned extends StoredManifest {
  readonly tag?: string | undefined;
  readonly refers: boolean;
}

/**
 * Everything that makes up an image or a release, with what refers to it. Blobs that are there are not sent. The tag comes last: who sees it finds all of it.
 *
 * @throws StoreError `REGISTRY_NOT_FOUND`, `REGISTRY_INVALID` …
 */
export async function copyImage(wish: CopyWish): Promise<Copied> {
  const { from, to, tag, mountFrom, progress, signal } = wish;
  const { top, plan } = await planCopy(wish);
  const all = [...plan.blobs.values()];
  const total = all.reduce((sum, { size }) => sum + size, 0);
  const counts = { sent: 0, mounted: 0, there: 0 };
  let bytes = 0;
  let sent = 0;
  progress?.({ bytes, total });
  await forEachAtOnce(all, AT_ONCE, signal, async (blob, own) => {
    await using source = steadySource(from, blob, own);
    const how = await to.putBlob(blob, source.bytes, { signal: own, ...(mountFrom === undefined ? {} : { from: mountFrom }) });
    counts[how === "was-there" ? "there" : how]++;
    if (how === "sent") sent += blob.size;
    bytes += blob.size;
    progress?.({ bytes, total });
  });
  for (const planned of plan.manifests.values()) {
    const { descriptor, bytes: document, tag: own } = planned;
    await to.putManifest(document, descriptor.mediaType, { signal, ...(own === undefined ? {} : { tag: own }) });
  }
  if (tag !== undefined) await to.putManifest(top.bytes, top.descriptor.mediaType, { tag, signal });
  const referrers = [...plan.manifests.values()].filter(({ refers }) => refers).length;
  return { descriptor: top.descriptor, manifests: plan.manifests.size, referrers, blobs: counts, bytes: { sent, total } };
}

async function planCopy({
  from,
  reference,
  referrers = "release",
  signal,
}: CopyWish): Promise<{ readonly top: StoredManifest; readonly plan: Plan }> {
  const plan: Plan = { manifests: new Map(), blobs: new Map() };
  const seen = new Set<string>();
  let held = 0;

  const take = async (stored: StoredManifest, depth: number, refers: boolean, tag?: string): Promise<void> => {
    const { descriptor, bytes } = stored;
    const { digest } = descriptor;
    if (seen.has(digest)) return;
    seen.add(digest);
    const at = `${from.origin}: manifest ${digest}`;
    held += bytes.length;
    if (seen.size > MOST_MANIFESTS || held > MOST_BYTES || depth > DEEPEST)
      throw invalidAnswer(from.origin, "has more manifests within and about each other than are copied");
    const { manifests, blobs } = parseContents(bytes, at);
    for (const blob of blobs) {
      const known = plan.blobs.get(blob.digest);
      if (known && known.size !== blob.size) throw invalidAnswer(at, `blob ${blob.digest} has two sizes`);
      plan.blobs.set(blob.digest, { digest: blob.digest, size: blob.size });
    }
    for (const child of manifests) {
      const found = await from.getManifest(child.digest, { signal });
      if (found.descriptor.size !== child.size) throw invalidAnswer(at, `manifest ${child.digest} has another size than it says`);
      await take(found, depth + 1, refers);
    }
    plan.manifests.set(digest, { ...stored, refers, tag });
    for (const one of await from.referrers(digest, { signal })) {
      if (depth === DEEPEST || (referrers === "release" && !KNOWN.has(one.artifactType ?? ""))) continue;
      // Lists that others keep may name what was deleted.
      const found = await from.getManifest(one.digest, { signal }).catch(missing);
      if (found) await take(found, depth + 1, true);
    }
    const simple = signatureTag(digest);
    const tags = referrers === "all" ? [simple, ...COSIGN_TAGS.map((end) => simple.replace(/\.sig$/, end))] : [simple];
    for (const name of refers ? [] : tags) {
      if (await from.headManifest(name, { signal })) await take(await from.getManifest(name, { signal }), depth + 1, true, name);
    }
  };

  const top = await from.getManifest(reference, { signal });
  await take(top, 0, false);
  return { top, plan };
}
