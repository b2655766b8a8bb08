/** An image of tools in a store, as far as a container of it needs it. Source: OCI Image Format Specification 1.1 */
import { z } from "zod";
import { AppError } from "../../core/error.ts";
import type { Bytes } from "../../core/units.ts";
import { parse, parseContents, type Descriptor } from "../../registry/documents.ts";
import { wholeBlob } from "../../registry/read-blob.ts";
import { DIGEST } from "../../registry/reference.ts";
import { LARGEST_MANIFEST, type ImageStore } from "../../registry/store.ts";

export interface ToolsImage {
  /** Of its manifest: `sha256:…`. It stands for all that there is of it. */
  readonly digest: string;
  /** Lowest first. */
  readonly layers: readonly Pick<Descriptor, "digest" | "size">[];
  /** `NAME=value`. */
  readonly environment: readonly string[];
  /** What is started where nobody says anything else. */
  readonly command: readonly string[];
  /** Where it starts. */
  readonly folder: string;
}

const INDEXES: ReadonlySet<string> = new Set([
  ...["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"],
]);
/** As Go has them: config.md, "architecture" and "os". */
const PLATFORM = { os: "linux", architecture: "amd64" } as const;
const MOST_LAYERS = 128;
/** An index may name another one. */
const DEEPEST = 3;
const LARGEST_CONFIG: Bytes = LARGEST_MANIFEST;
/** Of a text that ends where the kernel takes it to end. */
// eslint-disable-next-line no-control-regex -- this is what is looked for
const word = z
  .string()
  .max(32_768)
  .regex(/^[^\0]*$/, "has a zero byte");

const Index = z.object({
  manifests: z
    .array(
      z.object({ digest: z.string().regex(DIGEST), platform: z.object({ os: z.string(), architecture: z.string() }).nullish() }),
    )
    .max(1000),
});
const Config = z.object({
  os: z.string(),
  architecture: z.string(),
  config: z
    .object({
      Env: z
        .array(word.regex(/^[^=]+=/, "is no NAME=value"))
        .max(200)
        .nullish(),
      Entrypoint: z.array(word).nullish(),
      Cmd: z.array(word).nullish(),
      WorkingDir: word.nullish(),
    })
    .nullish(),
});

/** @param wanted a tag or a digest @throws StoreError; AppError `IMAGE_NOT_USABLE` */
export async function toolsImage(store: ImageStore, wanted: string, signal: AbortSignal): Promise<ToolsImage> {
  const { origin } = store;
  const unusable = (why: string, hint: string): AppError => new AppError("IMAGE_NOT_USABLE", `${origin}: ${why}`, { hint });
  const other = (what: string): AppError =>
    unusable(
      `the image is for ${what}, and the machine is ${PLATFORM.os}/${PLATFORM.architecture}`,
      "Take an image for this platform.",
    );
  let found = await store.getManifest(wanted, { signal });
  for (let depth = 0; INDEXES.has(found.descriptor.mediaType); depth++) {
    if (depth === DEEPEST) throw unusable("indexes lead to indexes without end", "Take another image.");
    const { manifests } = parse(Index, found.bytes, `${origin}: index`);
    const named = manifests.find(
      ({ platform }) => platform?.os === PLATFORM.os && platform.architecture === PLATFORM.architecture,
    );
    // Who names no platform leaves it to the configuration.
    const chosen = named ?? manifests.find(({ platform }) => !platform);
    if (!chosen)
      throw other(
        manifests
          .map(({ platform }) => `${platform?.os}/${platform?.architecture}`)
          .slice(0, 5)
          .join(", ") || "nobody",
      );
    found = await store.getManifest(chosen.digest, { signal });
  }
  const { digest } = found.descriptor;
  const [config, ...layers] = parseContents(found.bytes, `${origin}: manifest ${digest}`).blobs;
  if (!config || layers.length === 0) throw unusable("it is no image of a container", "Take an image that has a file system.");
  if (layers.length > MOST_LAYERS)
    throw unusable(`it has ${layers.length} layers; up to ${MOST_LAYERS} are read`, "Squash it into fewer.");
  const {
    os,
    architecture,
    config: run,
  } = parse(Config, await wholeBlob(store, config, LARGEST_CONFIG, { signal }), `${origin}: config ${config.digest}`);
  if (os !== PLATFORM.os || architecture !== PLATFORM.architecture) throw other(`${os}/${architecture}`);
  return {
    ...{ digest, layers, environment: run?.Env ?? [], folder: run?.WorkingDir || "/" },
    command: [...(run?.Entrypoint ?? []), ...(run?.Cmd ?? [])],
  };
}
