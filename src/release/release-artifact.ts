/**
 * @portable A release as a registry has it: an index that is signed, the release's own manifest, and the container image of the same system.
 * Format: docs/formats/release-artifact.md. Source: OCI Image Format Specification 1.1, image-index.md and manifest.md.
 */
import * as z from "zod";
import { AppError } from "../core/error.ts";
import type { Bytes } from "../core/units.ts";
import { OCI_MEDIA, type Descriptor } from "../layout/oci-image.ts";

/** Of the release document, and the artifact type of what carries it. */
export const RELEASE_MEDIA = "application/vnd.petrify.release.v1+json";
export const SEGMENT_LIST_MEDIA = "application/vnd.petrify.segments.v1.json+zstd";
const SEGMENT_MEDIA = "application/vnd.petrify.segment.v1+zstd";
/** Of a delta, and the artifact type of what carries it. */
export const DELTA_MEDIA = "application/vnd.petrify.delta.v1";
const ARCHITECTURE_KEY = "petrify.architecture";
/** Annotations of a delta: SHA-256 of the old image's manifest in hex, the old version, bytes. */
export const DELTA_KEYS = {
  from: "petrify.delta.from",
  version: "petrify.delta.from-version",
  size: "petrify.delta.size",
} as const;

export interface ReleaseManifestInput {
  readonly release: Pick<Descriptor, "digest" | "size">;
  readonly list: Pick<Descriptor, "digest" | "size">;
  /** Each once, in order of first use. */
  readonly segments: readonly Pick<Descriptor, "digest" | "size">[];
}

export const releaseManifest = ({ release, list, segments }: ReleaseManifestInput): Uint8Array =>
  document({
    ...{ schemaVersion: 2, mediaType: OCI_MEDIA.manifest, artifactType: RELEASE_MEDIA },
    config: { mediaType: RELEASE_MEDIA, digest: release.digest, size: release.size },
    layers: [
      { mediaType: SEGMENT_LIST_MEDIA, digest: list.digest, size: list.size },
      ...segments.map(({ digest, size }) => ({ mediaType: SEGMENT_MEDIA, digest, size })),
    ],
  });

export interface ReleaseIndexInput {
  readonly container: Pick<Descriptor, "digest" | "size"> | undefined;
  readonly release: Pick<Descriptor, "digest" | "size">;
  readonly architecture: string;
  /** For people and registries that show it. */
  readonly annotations: Readonly<Record<string, string>>;
}

/** What is tagged and signed. Tools that look for a container image find it by its platform, and pass over what has none. */
export const releaseIndex = ({ container, release, architecture, annotations }: ReleaseIndexInput): Uint8Array =>
  document({
    ...{ schemaVersion: 2, mediaType: OCI_MEDIA.index, artifactType: RELEASE_MEDIA },
    manifests: [
      ...(container
        ? [
            {
              ...{ mediaType: OCI_MEDIA.manifest, digest: container.digest, size: container.size },
              platform: { architecture: "amd64", os: "linux" },
            },
          ]
        : []),
      {
        ...{ mediaType: OCI_MEDIA.manifest, digest: release.digest, size: release.size, artifactType: RELEASE_MEDIA },
        ...{ platform: { architecture: "unknown", os: "unknown" }, annotations: { [ARCHITECTURE_KEY]: architecture } },
      },
    ],
    annotations,
  });

const Entry = z.object({
  mediaType: z.string(),
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  size: z.int().min(0),
  artifactType: z.string().optional(),
  platform: z.object({ architecture: z.string(), os: z.string() }).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
});
const Index = z.object({ schemaVersion: z.literal(2), manifests: z.array(Entry).max(1000) });
const Manifest = z.object({
  schemaVersion: z.literal(2),
  artifactType: z.string().optional(),
  config: Entry,
  layers: z.array(Entry).max(20_000),
});

export interface IndexEntries {
  /** The release's manifest for that architecture. */
  readonly release: Descriptor;
  readonly container: Descriptor | undefined;
}

/**
 * What an index names for machines of one architecture. Entries of other kinds are somebody else's and passed over.
 *
 * @param origin names it in messages
 * @throws AppError `RELEASE_NOT_FOUND` for an index that is no release, `RELEASE_NO_ARCHITECTURE`, `RELEASE_INVALID`
 */
export function parseReleaseIndex(bytes: Uint8Array, architecture: string, origin: string): IndexEntries {
  const { manifests } = parsed(Index, bytes, origin);
  const releases = manifests.filter(({ artifactType }) => artifactType === RELEASE_MEDIA);
  if (releases.length === 0) throw noRelease(origin);
  const [release, ...more] = releases.filter(({ annotations }) => annotations?.[ARCHITECTURE_KEY] === architecture);
  if (!release) {
    const others = releases.flatMap(({ annotations }) => annotations?.[ARCHITECTURE_KEY] ?? []).slice(0, 10);
    throw new AppError(
      "RELEASE_NO_ARCHITECTURE",
      `${origin}: has no release for ${architecture}, only for ${others.join(", ")}`,
      {
        hint: "Push a release for machines of this architecture.",
      },
    );
  }
  if (more.length > 0) throw invalid(origin, `has several releases for ${architecture}`);
  const container = manifests.find(({ platform }) => platform?.architecture === "amd64" && platform.os === "linux");
  return { release: descriptorOf(release), container: container && descriptorOf(container) };
}

export interface ManifestEntries {
  readonly release: Descriptor;
  readonly list: Descriptor;
  readonly segments: readonly Descriptor[];
}

/** @throws AppError `RELEASE_INVALID` */
export function parseReleaseManifest(bytes: Uint8Array, origin: string): ManifestEntries {
  const { artifactType, config, layers } = parsed(Manifest, bytes, origin);
  const [list, ...segments] = layers;
  if (artifactType !== RELEASE_MEDIA || config.mediaType !== RELEASE_MEDIA) throw invalid(origin, "is not a release's manifest");
  if (list?.mediaType !== SEGMENT_LIST_MEDIA) throw invalid(origin, "has no list of segments");
  return { release: descriptorOf(config), list: descriptorOf(list), segments: segments.map(descriptorOf) };
}

/** The one layer of an artifact, if it is of that type; nothing where it is something else. */
export function onlyLayer(bytes: Uint8Array, mediaType: string): Descriptor | undefined {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
  const [layer, ...more] = Manifest.safeParse(value).data?.layers ?? [];
  return layer?.mediaType === mediaType && more.length === 0 ? descriptorOf(layer) : undefined;
}

/** An image in a registry that is not one of petrify's releases. */
export const noRelease = (origin: string): AppError =>
  new AppError("RELEASE_NOT_FOUND", `${origin}: is an image, but not a release of petrify's`, {
    hint: "Push a system image there with `petrify push`. An ordinary container image can be the base of one.",
  });

const invalid = (origin: string, what: string, cause?: unknown): AppError =>
  new AppError("RELEASE_INVALID", `${origin}: ${what}`, { hint: "Nothing of it was used. Push the release again.", cause });

function parsed<T>(schema: z.ZodType<T>, bytes: Uint8Array, origin: string): T {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw invalid(origin, "is not JSON", cause);
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw invalid(origin, `${issue?.path.join(".") || "it"}: ${issue?.message}`, result.error);
}

const descriptorOf = ({ mediaType, digest, size }: { mediaType: string; digest: string; size: Bytes }): Descriptor => ({
  ...{ mediaType, digest, size },
});
const document = (value: object): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
