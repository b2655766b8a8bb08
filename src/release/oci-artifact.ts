/** @portable Small artifacts for a registry: a manifest and the blobs that it names. Source: OCI Image Format Specification 1.1, manifest.md. */
import { hex, type Sha256 } from "../core/digest.ts";
import { OCI_MEDIA, type Descriptor } from "../layout/oci-image.ts";

export interface OciArtifact {
  /** To be pushed after the blobs, as {@link OCI_MEDIA}.manifest. */
  readonly manifest: Uint8Array;
  readonly blobs: readonly { readonly descriptor: Descriptor; readonly bytes: Uint8Array }[];
}

const EMPTY_MEDIA = "application/vnd.oci.empty.v1+json";

export const descriptorOf = (mediaType: string, bytes: Uint8Array, sha256: Sha256): Descriptor => ({
  mediaType,
  digest: `sha256:${hex(sha256.digest(bytes))}`,
  size: bytes.length,
});

export interface ReferrerInput {
  /** What the artifact is about: the manifest of an image or of another artifact. */
  readonly subject: Descriptor;
  readonly artifactType: string;
  readonly bytes: Uint8Array;
  readonly annotations: Readonly<Record<string, string>>;
  readonly sha256: Sha256;
}

/** An artifact of one blob that refers to another manifest. */
export function referrer({ subject, artifactType, bytes, annotations, sha256 }: ReferrerInput): OciArtifact {
  const empty = new TextEncoder().encode("{}");
  const config = descriptorOf(EMPTY_MEDIA, empty, sha256);
  const layer = descriptorOf(artifactType, bytes, sha256);
  const { mediaType, digest, size } = subject;
  const manifest = {
    ...{ schemaVersion: 2, mediaType: OCI_MEDIA.manifest, artifactType, config, layers: [layer] },
    ...{ subject: { mediaType, digest, size }, annotations },
  };
  return {
    manifest: new TextEncoder().encode(JSON.stringify(manifest)),
    blobs: [
      { descriptor: config, bytes: empty },
      { descriptor: layer, bytes },
    ],
  };
}
