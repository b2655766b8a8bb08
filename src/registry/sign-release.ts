/** Signs what is in a store, in both forms of cosign. docs/concepts/signatures.md */
import { AppError } from "../core/error.ts";
import type { SignatureClaim, SigningKey } from "../core/signature.ts";
import { ecdsa } from "../host/ecdsa.ts";
import { sha256 } from "../host/sha256.ts";
import { OCI_MEDIA, type Descriptor } from "../layout/oci-image.ts";
import type { FoundSignatures } from "../release/judge-release.ts";
import type { OciArtifact } from "../release/oci-artifact.ts";
import { bundleReferrer, digestClaim, signDigest } from "../release/sigstore-bundle.ts";
import {
  addSignature,
  signatureConfig,
  signatureImage,
  signatureTag,
  signSimple,
  simpleClaim,
} from "../release/simple-signing.ts";
import { findSignatures } from "./open-release.ts";
import { wholeBlob } from "./read-blob.ts";
import type { BlobSource, ImageStore, StoreOptions } from "./store.ts";

export interface SignOptions extends StoreOptions {
  /** Seconds since 1970; for people. */
  readonly now: number;
}

/**
 * Signs an index, or a manifest: a bundle that refers to it (cosign 3), and one more layer under the tag that is made from its digest (cosign 2). The
 * signatures of others stay. What the key has signed already it does not sign again.
 *
 * @returns whether anything was added
 * @throws StoreError
 */
export async function signRelease(
  store: ImageStore,
  index: Descriptor,
  key: SigningKey,
  { now, signal }: SignOptions,
): Promise<{ readonly changed: boolean }> {
  const { digest } = index;
  const { simple, bundles } = await foundSignatures(store, index, signal);
  const isOurs = (claim: SignatureClaim | undefined): boolean => claim !== undefined && ecdsa.verify(key.publicKey, claim);
  const hasBundle = bundles.some((bundle) => isOurs(digestClaim(bundle, digest)));
  const hasSimple = simple.some((signature) => isOurs(simpleClaim(signature, digest)));
  if (!hasBundle) {
    const artifact = bundleReferrer({ subject: index, bundle: signDigest(digest, key, sha256), created: now }, sha256);
    await putArtifact(store, artifact, { signal });
  }
  if (!hasSimple) {
    const ours = signSimple({ digest, repository: repositoryOf(store), key });
    const tag = signatureTag(digest);
    const before = await imageBefore(store, tag, signal);
    const artifact = (before && addSignature(before, ours, sha256)) ?? signatureImage([ours], sha256);
    await putArtifact(store, artifact, { tag, signal });
  }
  return { changed: !hasBundle || !hasSimple };
}

/** What nobody can read is no reason not to sign. */
async function foundSignatures(store: ImageStore, index: Descriptor, signal: AbortSignal | undefined): Promise<FoundSignatures> {
  return (await orNothing(async () => await findSignatures(store, index, { signal }))) ?? { simple: [], bundles: [] };
}

async function imageBefore(
  store: ImageStore,
  tag: string,
  signal: AbortSignal | undefined,
): Promise<{ readonly manifest: Uint8Array; readonly config: Uint8Array } | undefined> {
  if (!(await store.headManifest(tag, { signal }))) return undefined;
  return await orNothing(async () => {
    const { bytes } = await store.getManifest(tag, { signal });
    const config = signatureConfig(bytes);
    return config && { manifest: bytes, config: await wholeBlob(store, config, config.size, { signal }) };
  });
}

async function orNothing<T>(body: () => Promise<T>): Promise<T | undefined> {
  try {
    return await body();
  } catch (error) {
    if (error instanceof AppError && /^(?:SIGNATURE_INVALID|REGISTRY_INVALID|REGISTRY_NOT_FOUND)$/.test(error.code))
      return undefined;
    throw error;
  }
}

async function putArtifact(
  store: ImageStore,
  { manifest, blobs }: OciArtifact,
  options: StoreOptions & { readonly tag?: string },
): Promise<void> {
  for (const { descriptor, bytes } of blobs) await store.putBlob(descriptor, sourceOf(bytes), options);
  await store.putManifest(manifest, OCI_MEDIA.manifest, options);
}

const sourceOf = (bytes: Uint8Array): BlobSource =>
  async function* (from) {
    yield bytes.subarray(from);
  };

/** What simple signing calls the place: nothing is decided by it, and a folder's path is nobody's business. */
const repositoryOf = ({ origin }: ImageStore): string => (origin.startsWith("oci:") ? "oci" : origin.replace(/^http:\/\//, ""));
