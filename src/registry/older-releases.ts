import { AppError } from "../core/error.ts";
import { compareReleases } from "../release/release-order.ts";
import { openRelease, type FoundRelease } from "./open-release.ts";
import type { ImageStore, StoreOptions } from "./store.ts";

/** Tags of a repository that are looked at. Each takes three requests. */
const MOST_TAGS = 200;
/** What signatures and lists of referrers are under. */
const NO_RELEASE = /^sha256-[0-9a-f]{64}/;

export interface OlderReleases {
  /** The newest first, one of each image. */
  readonly releases: readonly FoundRelease[];
  /** There were more tags than were looked at. */
  readonly cut: boolean;
}

/** Releases of the same system in a repository that are older than one. What is no release is passed over. @throws StoreError */
export async function olderReleases(
  store: ImageStore,
  than: Pick<FoundRelease, "release" | "imageManifest">,
  options: StoreOptions,
): Promise<OlderReleases> {
  const { architecture } = than.imageManifest;
  const byImage = new Map<string, FoundRelease>();
  let looked = 0;
  let cut = false;
  for await (const tag of store.tags(options)) {
    if (NO_RELEASE.test(tag)) continue;
    if (++looked > MOST_TAGS) {
      cut = true;
      break;
    }
    const found = await openRelease(store, tag, { architecture, ...options }).catch((error: unknown) => {
      if (error instanceof AppError && /^RELEASE_|^REGISTRY_(?:NOT_FOUND|INVALID)$/.test(error.code)) return undefined;
      throw error;
    });
    if (!found || found.release.name !== than.release.name || found.release.manifest === than.release.manifest) continue;
    if (compareReleases(found.release, than.release) < 0) byImage.set(found.release.manifest, found);
  }
  const releases = [...byImage.values()].toSorted((a, b) => compareReleases(b.release, a.release));
  return { releases, cut };
}
