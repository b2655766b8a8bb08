import { bytesOfHex } from "../../src/core/digest.ts";
import type { SigningKey } from "../../src/core/signature.ts";
import type { Bytes } from "../../src/core/units.ts";
import { openImage } from "../../src/host/image-file.ts";
import { sha256 } from "../../src/host/sha256.ts";
import { zstdPack, zstdQuickPack, zstdUnpackPieces } from "../../src/host/zstd.ts";
import { pushReferrers, pushRelease } from "../../src/registry/push-release.ts";
import { signRelease } from "../../src/registry/sign-release.ts";
import type { ImageStore } from "../../src/registry/store.ts";
import { makeDelta } from "../../src/release/delta/make-delta.ts";
import { referrer } from "../../src/release/oci-artifact.ts";
import { DELTA_KEYS, DELTA_MEDIA } from "../../src/release/release-artifact.ts";
import { SEGMENT_SIZE } from "../../src/release/segments.ts";
import type { TrustedKeys } from "../../src/release/trusted-keys.ts";
import { findManifest, type FoundManifest } from "../../src/release/verify-image.ts";

export interface DeltaRelease {
  readonly store: ImageStore;
  readonly tag: string;
  /** Path of the image that the delta is applied to, and of the one that is released. */
  readonly from: string;
  readonly image: string;
  /** Seconds since 1970. */
  readonly created: number;
  readonly key: SigningKey;
  /** That are trusted once the release is. */
  readonly keys?: TrustedKeys;
  /** Default: as releases are cut. */
  readonly segmentSize?: Bytes;
}

/** Puts a signed release into a store, and a delta beside it. */
export async function publishWithDelta(release: DeltaRelease): Promise<void> {
  const { store, tag, created, key, keys, segmentSize = SEGMENT_SIZE } = release;
  using from = openImage(release.from);
  using to = openImage(release.image);
  const [before, after] = [await manifestOf(from), await manifestOf(to)];
  const pushed = await pushRelease({
    ...{ store, tag, image: to, found: after, facts: { created, ...(keys ? { keys } : {}) }, segmentSize },
    pack: async (bytes) => await Promise.resolve(zstdQuickPack(bytes)),
  });
  await signRelease(store, pushed.index, key, { now: created });
  const { bytes } = await makeDelta({
    old: { image: from, digest: bytesOfHex(before.digest) },
    new: { image: to, digest: bytesOfHex(after.digest) },
    ...{ sha256, pack: zstdPack, quickPack: zstdQuickPack, unpack: zstdUnpackPieces, segmentSize },
  });
  const annotations = {
    [DELTA_KEYS.from]: before.digest,
    [DELTA_KEYS.version]: before.manifest.version,
    [DELTA_KEYS.size]: String(bytes.length),
  };
  const delta = referrer({ subject: pushed.manifest, artifactType: DELTA_MEDIA, bytes, annotations, sha256 });
  await pushReferrers(store, pushed.manifest, [delta], undefined);
  await pushed.publish();
}

/** Puts a release into a store that nobody has signed. */
export async function publishUnsigned(release: Pick<DeltaRelease, "store" | "tag" | "image" | "created">): Promise<void> {
  const { store, tag, created } = release;
  using image = openImage(release.image);
  const pushed = await pushRelease({
    ...{ store, tag, image, found: await manifestOf(image), facts: { created, channel: "unsigned" }, segmentSize: SEGMENT_SIZE },
    pack: async (bytes) => await Promise.resolve(zstdQuickPack(bytes)),
  });
  await pushed.publish();
}

const manifestOf = async ({ size, read }: ReturnType<typeof openImage>): Promise<FoundManifest> =>
  await findManifest({ size, read: async (at, length) => await Promise.resolve(read(at, length)) }, sha256);
