/** What a repository has of releases, for people who look at it. */
import { AppError } from "../core/error.ts";
import type { PublicKey } from "../core/signature.ts";
import type { Bytes } from "../core/units.ts";
import { ecdsa } from "../host/ecdsa.ts";
import { sha256 } from "../host/sha256.ts";
import type { KeyId } from "../layout/public-key.ts";
import { claimsAbout } from "../release/judge-release.ts";
import { DELTA_KEYS, DELTA_MEDIA, parseReleaseManifest } from "../release/release-artifact.ts";
import { compareReleases } from "../release/release-order.ts";
import { signersOf } from "../release/signers.ts";
import { trustedKey } from "../release/trusted-keys.ts";
import { forEachAtOnce } from "./at-once.ts";
import { findSignatures, openRelease } from "./open-release.ts";
import type { ImageStore } from "./store.ts";

export interface ListedRelease {
  /** All that lead to it, sorted. */
  readonly tags: readonly string[];
  /** Of the index: what is signed. */
  readonly digest: string;
  readonly name: string;
  readonly version: string;
  readonly channel: string | undefined;
  /** Seconds since 1970. */
  readonly created: number;
  readonly expires: number | undefined;
  /** What a machine fetches that has nothing of it. */
  readonly size: Bytes;
  /** As their annotations have it; nobody vouches for those. */
  readonly deltas: readonly { readonly fromVersion: string | undefined; readonly size: Bytes | undefined }[];
  readonly signatures: {
    readonly found: number;
    /** Keys that have made one of them, of those that are known. It says who signed, not whether anybody trusts them. */
    readonly by: readonly KeyId[];
  };
}
export interface ListedReleases {
  /** The newest first. */
  readonly releases: readonly ListedRelease[];
  /** Tags that lead to something else. */
  readonly others: readonly { readonly tag: string; readonly what: string }[];
  /** There were more tags than are looked at. */
  readonly cut: boolean;
}

const AT_ONCE = 4;
const MOST_TAGS = 1000;
/** Tags that belong to what they are named after: signatures, and lists of referrers. */
const ABOUT = /^sha256-[0-9a-f]{64}/;

/**
 * @param options.keys to recognise signers by, besides those that the releases themselves name
 * @throws StoreError where the store fails; what is wrong with one tag is said of that
 */
export async function listReleases(
  store: ImageStore,
  options: {
    readonly architecture: string;
    readonly keys?: readonly PublicKey[];
    readonly signal?: AbortSignal | undefined;
    readonly progress?: (done: number, of: number) => void;
  },
): Promise<ListedReleases> {
  const { signal, progress } = options;
  const byDigest = new Map<string, string[]>();
  const others: { tag: string; what: string }[] = [];
  const { tags, cut } = await tagsOf(store, signal);
  let done = 0;
  await forEachAtOnce(tags, AT_ONCE, signal, async (tag, own) => {
    const head = await store.headManifest(tag, { signal: own });
    if (head) byDigest.set(head.digest, [...(byDigest.get(head.digest) ?? []), tag]);
    progress?.(++done, tags.length);
  });
  const releases: ListedRelease[] = [];
  done = 0;
  await forEachAtOnce(byDigest, AT_ONCE, signal, async ([digest, ofDigest], own) => {
    try {
      releases.push({ tags: ofDigest.toSorted(), ...(await listed(store, digest, { ...options, signal: own })) });
    } catch (error) {
      const ofThisTag = error instanceof AppError && /^(?:RELEASE_.*|REGISTRY_NOT_FOUND|REGISTRY_INVALID)$/.test(error.code);
      if (!ofThisTag) throw error;
      for (const tag of ofDigest) others.push({ tag, what: error.message });
    }
    progress?.(++done, byDigest.size);
  });
  return {
    releases: releases.toSorted((a, b) => a.name.localeCompare(b.name) || compareReleases(b, a)),
    others: others.toSorted((a, b) => a.tag.localeCompare(b.tag)),
    cut,
  };
}

async function tagsOf(
  store: ImageStore,
  signal: AbortSignal | undefined,
): Promise<{ readonly tags: readonly string[]; readonly cut: boolean }> {
  const tags: string[] = [];
  for await (const tag of store.tags({ signal })) {
    if (ABOUT.test(tag)) continue;
    if (tags.length === MOST_TAGS) return { tags, cut: true };
    tags.push(tag);
  }
  return { tags, cut: false };
}

async function listed(
  store: ImageStore,
  digest: string,
  { architecture, keys = [], signal }: Parameters<typeof listReleases>[1],
): Promise<Omit<ListedRelease, "tags">> {
  const found = await openRelease(store, digest, { architecture, signal });
  const { release, index, manifest } = found;
  const { bytes } = await store.getManifest(manifest.digest, { signal });
  const { segments } = parseReleaseManifest(bytes, `${store.origin}@${manifest.digest}`);
  const deltas = await store.referrers(manifest.digest, { artifactType: DELTA_MEDIA, signal });
  const claims = claimsAbout(index.digest, await findSignatures(store, index, { signal }));
  const known = new Map(
    [...(release.keys?.keys ?? []), ...keys.map((key) => trustedKey(key, sha256))].map((key) => [key.id, key]),
  );
  return {
    ...{ digest, name: release.name, version: release.version, channel: release.channel },
    ...{ created: release.created, expires: release.expires },
    size: segments.reduce((sum, segment) => sum + segment.size, 0),
    deltas: deltas.map(({ annotations }) => {
      const size = Number(annotations?.[DELTA_KEYS.size] ?? Number.NaN);
      return { fromVersion: annotations?.[DELTA_KEYS.version], size: Number.isSafeInteger(size) && size >= 0 ? size : undefined };
    }),
    signatures: {
      found: claims.length,
      by: known.size === 0 ? [] : signersOf(claims, { format: 1, epoch: 1, keys: [...known.values()] }, ecdsa),
    },
  };
}
