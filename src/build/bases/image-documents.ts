/** The JSON documents of container images, as far as a base needs them. Pure; every text may be a stranger's. */
import { z } from "zod";
import { AppError } from "../../core/error.ts";

/** Source: OCI Image Format 1.1, descriptor.md. sha512 is the other algorithm that is registered there. */
const Digest = z.string().regex(/^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/, "must be a digest");
const Descriptor = z.object({
  mediaType: z.string(),
  digest: Digest,
  size: z.int().min(0),
  annotations: z.record(z.string(), z.string()).nullish(),
  platform: z.object({ os: z.string(), architecture: z.string(), variant: z.string().nullish() }).nullish(),
});
export type Descriptor = z.output<typeof Descriptor>;

const Layout = z.object({ imageLayoutVersion: z.string() });
const Index = z.object({ schemaVersion: z.literal(2), manifests: z.array(Descriptor).max(10_000) });
const Manifest = z.object({ schemaVersion: z.literal(2), config: Descriptor, layers: z.array(Descriptor) });
const Config = z.object({
  os: z.string(),
  architecture: z.string(),
  created: z.string().nullish(),
  rootfs: z.object({
    type: z.literal("layers"),
    diff_ids: z.array(z.string().regex(/^sha256:[0-9a-f]{64}$/, "must be a digest")),
  }),
});
const Saved = z
  .array(z.object({ Config: z.string(), RepoTags: z.array(z.string()).nullish(), Layers: z.array(z.string()).nullish() }))
  .max(10_000);

export type Index = z.output<typeof Index>;
export type Manifest = z.output<typeof Manifest>;
export type ImageConfig = z.output<typeof Config>;
/** One image of a docker archive. */
export type SavedImage = z.output<typeof Saved>[number];

export const parseLayout = (text: string, origin: string): void => {
  const { imageLayoutVersion } = parse(Layout, text, origin);
  if (!imageLayoutVersion.startsWith("1."))
    throw invalid(origin, `is of the version ${JSON.stringify(imageLayoutVersion)}; version 1 is read`);
};
export const parseIndex = (text: string, origin: string): Index => parse(Index, text, origin);
export const parseManifest = (text: string, origin: string): Manifest => parse(Manifest, text, origin);
export const parseConfig = (text: string, origin: string): ImageConfig => parse(Config, text, origin);
export const parseSaved = (text: string, origin: string): readonly SavedImage[] => parse(Saved, text, origin);

function parse<T>(schema: z.ZodType<T>, text: string, origin: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalid(origin, "is not JSON", cause);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw invalid(origin, `${issue?.path.join(".") || "it"}: ${issue?.message}`, parsed.error);
}

export const invalid = (origin: string, what: string, cause?: unknown): AppError =>
  new AppError("BASE_INVALID", `${origin}: ${what}`, {
    hint: "Make the image again, for example by `skopeo copy … oci:FOLDER:TAG`.",
    cause,
  });

const INDEXES = new Set(["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"]);
const MANIFESTS = new Set(["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"]);
const CONFIGS = new Set(["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"]);
const LAYERS = new Set([
  ...["", "+gzip", "+zstd"].map((suffix) => `application/vnd.oci.image.layer.v1.tar${suffix}`),
  ...["", ".gzip", ".zstd"].map((suffix) => `application/vnd.docker.image.rootfs.diff.tar${suffix}`),
]);
export const isIndex = ({ mediaType }: Descriptor): boolean => INDEXES.has(mediaType);

/** @throws AppError `BASE_INVALID` for what is no image with all its layers in place */
export function checkManifest({ config, layers }: Manifest, origin: string): void {
  if (!CONFIGS.has(config.mediaType)) throw invalid(origin, `is an artifact of the type ${config.mediaType} and no image`);
  for (const [index, { mediaType }] of layers.entries()) {
    if (LAYERS.has(mediaType)) continue;
    const foreign = /foreign|nondistributable/.test(mediaType);
    throw invalid(
      origin,
      foreign
        ? `layer ${index + 1} is to be fetched from elsewhere (${mediaType})`
        : `layer ${index + 1} is of a type that is not read: ${mediaType}`,
    );
  }
}

/** Source: OCI Image Format 1.1, config.md; the values are those of Go */
const PLATFORM = { os: "linux", architecture: "amd64" } as const;
const platformText = (platform: { readonly os: string; readonly architecture: string } | null | undefined): string =>
  platform ? `${platform.os}/${platform.architecture}` : "unknown";

/** Docker makes up to 127. */
const MOST_LAYERS = 512;

/** @throws AppError `BASE_INVALID` for an image of another platform, or whose layers are not as many as it says */
export function checkConfig(config: ImageConfig, layers: number, origin: string): void {
  if (config.os !== PLATFORM.os || config.architecture !== PLATFORM.architecture) {
    throw new AppError(
      "BASE_INVALID",
      `${origin}: the image is for ${platformText(config)}; petrify builds for ${platformText(PLATFORM)}`,
      {
        hint: "Fetch the image for that platform: `skopeo copy --override-os linux --override-arch amd64 …`.",
      },
    );
  }
  if (layers > MOST_LAYERS) {
    throw new AppError("ARCHIVE_REFUSED", `${origin}: has ${layers} layers; up to ${MOST_LAYERS} are read`, {
      hint: "Squash the image into fewer layers.",
    });
  }
  const said = config.rootfs.diff_ids.length;
  if (said !== layers) throw invalid(origin, `has ${layers} layers, and its configuration tells of ${said}`);
}

const REF_NAME = "org.opencontainers.image.ref.name";

/**
 * The images of a layout's index that a tag means, or all.
 *
 * @throws AppError `BASE_INVALID` when there is none, or without a tag when they have several names
 */
export function tagged({ manifests }: Index, tag: string | undefined, origin: string): readonly Descriptor[] {
  const nameOf = ({ annotations }: Descriptor): string | undefined => annotations?.[REF_NAME];
  const names = [...new Set(manifests.map(nameOf).filter((name) => name !== undefined))].toSorted();
  if (manifests.length === 0) throw invalid(origin, "has no image");
  if (tag !== undefined) {
    const found = manifests.filter((descriptor) => hasTag(nameOf(descriptor), tag));
    if (found.length > 0) return found;
    throw new AppError("BASE_INVALID", `${origin}: has no image with the tag ${tag}`, { hint: tagsHint(names) });
  }
  if (new Set(manifests.map(({ digest }) => digest)).size > 1 && names.length > 1) {
    throw new AppError("BASE_INVALID", `${origin}: has ${names.length} images with different tags`, { hint: tagsHint(names) });
  }
  return manifests;
}

/** `v1` means v1 and every NAME:v1. */
const hasTag = (name: string | undefined, tag: string): boolean => name === tag || (name?.endsWith(`:${tag}`) ?? false);

const SHOWN = 20;
const listed = (names: readonly string[]): string =>
  [
    ...names.slice(0, SHOWN).map((name) => JSON.stringify(name)),
    ...(names.length > SHOWN ? [`and ${names.length - SHOWN} more`] : []),
  ].join(", ");
const tagsHint = (names: readonly string[]): string =>
  names.length === 0 ? "Its images have no tags: leave out `base.tag`." : `Set \`base.tag\` to one of: ${listed(names)}.`;

/**
 * The one manifest for this platform. Descriptors without a platform are taken to be for it: the configuration will tell.
 *
 * @throws AppError `BASE_INVALID`
 */
export function forPlatform(descriptors: readonly Descriptor[], origin: string): Descriptor {
  const manifests = [
    ...new Map(descriptors.filter(({ mediaType }) => MANIFESTS.has(mediaType)).map((d) => [d.digest, d])).values(),
  ];
  const fits = manifests.filter(
    ({ platform }) => platform?.os === PLATFORM.os && platform.architecture === PLATFORM.architecture,
  );
  const possible = fits.length > 0 ? fits : manifests.filter(({ platform }) => !platform);
  if (possible.length === 1) return possible[0]!;
  if (possible.length > 1) {
    throw new AppError("BASE_INVALID", `${origin}: has ${possible.length} images for ${platformText(PLATFORM)}`, {
      hint: `Give each a tag and set \`base.tag\`. They are ${listed(possible.map(({ digest }) => digest))}.`,
    });
  }
  const others = [
    ...new Set(descriptors.map((d) => (MANIFESTS.has(d.mediaType) ? platformText(d.platform) : d.mediaType))),
  ].toSorted();
  throw invalid(origin, `has no image for ${platformText(PLATFORM)}; it has ${listed(others) || "none at all"}`);
}

/** The image of a docker archive that a tag means, or the only one. @throws AppError `BASE_INVALID` */
export function savedImage(images: readonly SavedImage[], tag: string | undefined, origin: string): SavedImage {
  const names = [...new Set(images.flatMap(({ RepoTags }) => RepoTags ?? []))].toSorted();
  const found = tag === undefined ? images : images.filter(({ RepoTags }) => RepoTags?.some((name) => hasTag(name, tag)));
  const distinct = new Map(found.map((image) => [image.Config, image]));
  const [image] = distinct.values();
  if (image !== undefined && distinct.size === 1) return image;
  if (images.length === 0) throw invalid(origin, "has no image");
  throw new AppError(
    "BASE_INVALID",
    `${origin}: ${distinct.size === 0 ? `has no image with the tag ${tag}` : `has ${distinct.size} images`}`,
    { hint: tagsHint(names) },
  );
}

/**
 * Seconds since 1970 that an image says it was made; nothing for the years 1 and 1970, which tools write that say no time.
 *
 * Source: RFC 3339, section 5.6
 */
export function createdTime({ created }: ImageConfig): number | undefined {
  if (!created || !/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,12})?(?:Z|[+-]\d{2}:\d{2})$/i.test(created)) return undefined;
  const seconds = Math.floor(Date.parse(created) / 1000);
  return Number.isSafeInteger(seconds) && seconds > 86_400 ? seconds : undefined;
}
