/** Writes images as strangers do: nothing is checked, so that every mistake can be made. */
import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { tar } from "./tar.ts";

/** Path → content. */
export type Files = Readonly<Record<string, string | Uint8Array>>;
interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}
export interface LayerOptions {
  /** What lies in the blob; default: the layer, compressed with gzip. */
  readonly blob?: Uint8Array;
  readonly mediaType?: string;
  /** Default: that of the layer. */
  readonly diffId?: string;
}
export interface ImageOptions {
  readonly tag?: string;
  readonly config?: Readonly<Record<string, unknown>>;
  readonly manifest?: Readonly<Record<string, unknown>>;
  readonly platform?: Readonly<Record<string, unknown>> | undefined;
}
type LayerInput = Uint8Array | (LayerOptions & { readonly layer: Uint8Array });

export const sha256Of = (bytes: string | Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
export const blobName = (digest: string): string => `blobs/${digest.replace(":", "/")}`;
const json = (value: unknown): string => JSON.stringify(value);
const optionsOf = (input: LayerInput): LayerOptions & { readonly layer: Uint8Array } =>
  input instanceof Uint8Array ? { layer: input } : input;

const OCI = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar+gzip",
} as const;

const configOf = (layers: readonly LayerInput[], more: Readonly<Record<string, unknown>> = {}): string =>
  json({
    ...{ os: "linux", architecture: "amd64", created: "2024-05-06T07:08:09.123456789Z", config: { Cmd: ["sh"] } },
    rootfs: { type: "layers", diff_ids: layers.map(optionsOf).map(({ layer, diffId }) => diffId ?? sha256Of(layer)) },
    ...more,
  });

/** One image: its blobs, and what an index says of it. */
export function image(
  layers: readonly LayerInput[],
  { tag, config: more, manifest: moreOfManifest = {}, ...options }: ImageOptions = {},
): { files: Files; descriptor: Descriptor } {
  const files: Record<string, string | Uint8Array> = {};
  const blob = (mediaType: string, bytes: string | Uint8Array): Descriptor => {
    const digest = sha256Of(bytes);
    files[blobName(digest)] = bytes;
    return { mediaType, digest, size: Buffer.byteLength(bytes) };
  };
  const config = blob(OCI.config, configOf(layers, more));
  const described = layers
    .map(optionsOf)
    .map(({ layer, blob: bytes = gzipSync(layer), mediaType = OCI.layer }) => blob(mediaType, bytes));
  const manifest = { schemaVersion: 2, mediaType: OCI.manifest, config, layers: described, ...moreOfManifest };
  const annotations = tag === undefined ? {} : { annotations: { "org.opencontainers.image.ref.name": tag } };
  const platform = options.platform === undefined ? {} : { platform: options.platform };
  return { files, descriptor: { ...blob(OCI.manifest, json(manifest)), ...annotations, ...platform } };
}

/** Images in one layout. */
export function layout(...images: readonly { files: Files; descriptor: object }[]): Files {
  return {
    "oci-layout": json({ imageLayoutVersion: "1.0.0" }),
    "index.json": json({ schemaVersion: 2, mediaType: OCI.index, manifests: images.map(({ descriptor }) => descriptor) }),
    ...Object.assign({}, ...images.map(({ files }) => files)),
  };
}

/** An index of images, itself in a layout's index. */
export function nested(
  images: readonly { files: Files; descriptor: object }[],
  annotations: object = {},
): { files: Files; descriptor: object } {
  const text = json({ schemaVersion: 2, manifests: images.map(({ descriptor }) => descriptor) });
  const digest = sha256Of(text);
  return {
    files: Object.assign({ [blobName(digest)]: text }, ...images.map(({ files }) => files)) as Files,
    descriptor: { mediaType: OCI.index, digest, size: text.length, ...annotations },
  };
}

/** One image as `docker save` writes it. */
export function saved(
  layers: readonly LayerInput[],
  tags: readonly string[] | null = ["name:v1"],
  more: Readonly<Record<string, unknown>> = {},
): Files {
  const config = configOf(layers, more);
  const name = `${sha256Of(config).slice("sha256:".length)}.json`;
  const names = layers.map((_, index) => `layer-${index}/layer.tar`);
  return {
    ...Object.fromEntries(layers.map(optionsOf).map(({ layer, blob }, index) => [names[index], blob ?? layer])),
    [name]: config,
    "manifest.json": json([{ Config: name, RepoTags: tags, Layers: names }]),
  };
}

export const tarOf = (files: Files): Uint8Array => tar(...Object.entries(files).map(([name, data]) => ({ name, data })));

export async function writeFiles(folder: string, files: Files): Promise<void> {
  for (const [name, bytes] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), bytes);
  }
}
