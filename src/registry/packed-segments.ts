/** Segments that a repository has packed already, of any of its newest releases: packing an image takes minutes of all processors. */
import { AppError } from "../core/error.ts";
import { compareSemver, parseSemver } from "../core/semver.ts";
import type { SegmentList } from "../release/segments.ts";
import { openRelease, readSegments } from "./open-release.ts";
import type { ImageStore } from "./store.ts";

/** Releases that are looked at. Each takes four requests. */
const MOST_RELEASES = 4;
const MOST_TAGS = 1000;
/** What signatures and lists of referrers are under. */
const NO_RELEASE = /^sha256-[0-9a-f]{64}/;

/** By the digest of what is in them; whoever uses one asks the store whether it is there. */
export type PackedSegments = ReadonlyMap<string, NonNullable<SegmentList["segments"][number]["packed"]>>;

export const packedIn = (lists: readonly SegmentList[]): PackedSegments =>
  new Map(lists.flatMap(({ segments }) => segments.flatMap(({ sha256, packed }) => (packed ? [[sha256, packed] as const] : []))));

/**
 * The lists of the newest releases by their tags, which are versions where nobody has said otherwise; the newest last. What cannot be read is left out: then
 * more is packed again.
 */
export async function listsBefore(
  store: ImageStore,
  {
    tag,
    architecture,
    signal,
  }: { readonly tag: string; readonly architecture: string; readonly signal: AbortSignal | undefined },
): Promise<SegmentList[]> {
  const lists: SegmentList[] = [];
  try {
    for (const other of await newestTags(store, tag, signal)) {
      const list = await openRelease(store, other, { architecture, signal })
        .then(async (release) => await readSegments(store, release, { signal }))
        .catch(left);
      if (list) lists.unshift(list);
    }
  } catch (error) {
    left(error);
  }
  signal?.throwIfAborted();
  return lists;
}

/** A store says what is wrong; anything else is a fault of ours. */
function left(error: unknown): undefined {
  if (!(error instanceof AppError)) throw error;
}

/** The newest version first; tags that are no versions come last. */
async function newestTags(store: ImageStore, but: string, signal: AbortSignal | undefined): Promise<string[]> {
  const tags: string[] = [];
  for await (const tag of store.tags({ signal })) {
    if (tag !== but && !NO_RELEASE.test(tag)) tags.push(tag);
    if (tags.length === MOST_TAGS) break;
  }
  const versions = new Map(tags.map((tag) => [tag, parseSemver(tag)]));
  const newer = (a: string, b: string): number => {
    const [x, y] = [versions.get(a), versions.get(b)];
    return x && y ? compareSemver(y, x) : Number(Boolean(y)) - Number(Boolean(x));
  };
  return tags.toSorted(newer).slice(0, MOST_RELEASES);
}
