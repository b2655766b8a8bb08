/** @portable The documents of an OCI image. Source: OCI Image Format Specification 1.1. */

/** Source: "OCI Content Descriptors". */
export interface Descriptor {
  readonly mediaType: string;
  /** `sha256:` and lower-case hex. */
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
}

export const OCI_MEDIA = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar+gzip",
} as const;
/** Name and text of the file that marks a layout. Source: "OCI Image Layout Specification", oci-layout file. */
export const LAYOUT_FILE = { name: "oci-layout", text: '{"imageLayoutVersion":"1.0.0"}\n' } as const;
export const INDEX_FILE = "index.json";
/** Where a layout keeps what has this digest, relative to it. */
export const blobPath = (digest: string): string => `blobs/${digest.replace(":", "/")}`;

export interface ContainerFacts {
  readonly name: string;
  readonly version: string;
  /** Seconds since 1970. */
  readonly created: number;
  readonly rootHash: string;
  /** What starts the system, as a full path. */
  readonly init: string;
  /** Signal that makes the init power off; default: SIGTERM. */
  readonly stopSignal?: string;
}

/** RFC 3339, section 5.6. */
const dateOf = (seconds: number): string => new Date(seconds * 1000).toISOString().replace(".000Z", "Z");

/** The same facts as labels, which containers inherit, and as annotations, which registries show. Source: "Annotations", predefined keys. */
const labelsOf = ({ name, version, created, rootHash }: ContainerFacts): Readonly<Record<string, string>> => ({
  "org.opencontainers.image.created": dateOf(created),
  "org.opencontainers.image.title": name,
  "org.opencontainers.image.version": version,
  "petrify.root-hash": rootHash,
});

/** @param diffId digest of the layer's tar before it was compressed. Source: "OCI Image Configuration" */
export function imageConfig(facts: ContainerFacts, diffId: string): string {
  const created = dateOf(facts.created);
  return document({
    ...{ created, architecture: "amd64", os: "linux" },
    config: {
      Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
      // Not an entrypoint: `podman run IMAGE PROGRAM` then runs that program alone.
      Cmd: [facts.init],
      Labels: labelsOf(facts),
      ...(facts.stopSignal === undefined ? {} : { StopSignal: facts.stopSignal }),
    },
    rootfs: { type: "layers", diff_ids: [diffId] },
    history: [{ created, created_by: "petrify build" }],
  });
}

/** Source: "OCI Image Manifest Specification". */
export const imageManifest = (facts: ContainerFacts, config: Descriptor, layers: readonly Descriptor[]): string =>
  document({ schemaVersion: 2, mediaType: OCI_MEDIA.manifest, config, layers, annotations: labelsOf(facts) });

/** Of a layout with one image. Source: "OCI Image Layout Specification", index.json file. */
export const imageIndex = (manifest: Descriptor, tag: string): string =>
  document({
    schemaVersion: 2,
    mediaType: OCI_MEDIA.index,
    manifests: [
      {
        ...manifest,
        platform: { architecture: "amd64", os: "linux" },
        annotations: { "org.opencontainers.image.ref.name": tag },
      },
    ],
  });

/** A tag that says this version; what a tag cannot hold becomes a dash. Source: OCI Distribution Specification 1.1, "Pulling manifests". */
export const tagOfVersion = (version: string): string => version.replaceAll(/[^A-Za-z0-9._-]/g, "-");

const document = (value: object): string => `${JSON.stringify(value)}\n`;
