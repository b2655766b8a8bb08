import type { Layer } from "./archive.ts";
import { blobOf, documentOf, needed, type Blobs } from "./blobs.ts";
import {
  checkConfig,
  checkManifest,
  createdTime,
  forPlatform,
  invalid,
  isIndex,
  parseConfig,
  parseIndex,
  parseLayout,
  parseManifest,
  tagged,
  type Descriptor,
} from "./image-documents.ts";

/** A container image whose documents have been read and whose layers are there. */
export interface Image {
  /** What decides its content: `sha256:…` of its manifest, or of its configuration where it has none. */
  readonly digest: string;
  /** Seconds since 1970, when the image tells. */
  readonly created: number | undefined;
  /** Lowest first; their blobs are checked now. @throws AppError `BASE_INVALID`, `BASE_DAMAGED` */
  readonly layers: (note: (text: string) => void) => Promise<readonly Layer[]>;
}

const DEEPEST_INDEX = 4;
/** Documents of one layout that are read: an index of indexes of indexes would else be read for ever. */
const MOST_INDEXES = 100;

/**
 * The image of an OCI image layout. Source: OCI Image Format 1.1, image-layout.md
 *
 * Every blob's size and digest is compared before a byte of it is used.
 *
 * @throws AppError `BASE_INVALID`, `BASE_DAMAGED`
 */
export async function ociImage(blobs: Blobs, tag: string | undefined): Promise<Image> {
  const { origin } = blobs;
  parseLayout(await documentOf(await needed(blobs, "oci-layout")), `${origin}: oci-layout`);
  const index = parseIndex(await documentOf(await needed(blobs, "index.json")), `${origin}: index.json`);
  let indexes = 0;
  const unfolded = async (descriptors: readonly Descriptor[], depth: number): Promise<Descriptor[]> => {
    const found: Descriptor[] = [];
    for (const descriptor of descriptors) {
      if (!isIndex(descriptor)) found.push(descriptor);
      else if (depth === DEEPEST_INDEX || ++indexes > MOST_INDEXES)
        throw invalid(origin, "has too many indexes within each other");
      else {
        const at = `${origin}: index ${descriptor.digest}`;
        found.push(
          ...(await unfolded(parseIndex(await documentOf(await blobOf(blobs, descriptor, at)), at).manifests, depth + 1)),
        );
      }
    }
    return found;
  };
  const chosen = forPlatform(await unfolded(tagged(index, tag, origin), 0), origin);
  const at = `${origin}: manifest ${chosen.digest}`;
  const manifest = parseManifest(await documentOf(await blobOf(blobs, chosen, at)), at);
  checkManifest(manifest, at);
  const ofConfig = `${origin}: config ${manifest.config.digest}`;
  const config = parseConfig(await documentOf(await blobOf(blobs, manifest.config, ofConfig)), ofConfig);
  checkConfig(config, manifest.layers.length, origin);
  const layers: Image["layers"] = async (note) => {
    const found: Layer[] = [];
    for (const [number, descriptor] of manifest.layers.entries()) {
      const name = `layer ${number + 1} of ${manifest.layers.length}`;
      note(`checking ${name}`);
      const blob = await blobOf(blobs, descriptor, `${origin}: ${name} (${descriptor.digest})`);
      found.push({ ...blob, diffId: config.rootfs.diff_ids[number]!.slice("sha256:".length) });
    }
    return found;
  };
  return { digest: chosen.digest, created: createdTime(config), layers };
}
