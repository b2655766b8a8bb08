import { createHash } from "node:crypto";
import { partsOfName } from "../../layout/tar-name.ts";
import { damaged, type Layer } from "./archive.ts";
import { documentOf, needed, type Blobs } from "./blobs.ts";
import { checkConfig, createdTime, invalid, parseConfig, parseSaved, savedImage } from "./image-documents.ts";
import type { Image } from "./oci-image.ts";

/**
 * The image of an archive that `docker save` wrote. Source: Docker Image Specification 1.2, "Combined Image JSON + Filesystem Changeset Format"
 *
 * The configuration is named by its digest; it has the digest of every layer, which is compared as the layer is read.
 *
 * @throws AppError `BASE_INVALID`, `BASE_DAMAGED`
 */
export async function dockerImage(blobs: Blobs, tag: string | undefined): Promise<Image> {
  const { origin } = blobs;
  const images = parseSaved(await documentOf(await needed(blobs, "manifest.json")), `${origin}: manifest.json`);
  const image = savedImage(images, tag, origin);
  const names = image.Layers ?? [];
  const nameOf = (name: string): string => {
    const parts = partsOfName(name);
    if (typeof parts !== "string") return parts.join("/");
    throw invalid(`${origin}: manifest.json`, `names ${JSON.stringify(name)}, which is no file of it`);
  };
  const ofConfig = `${origin}: ${image.Config}`;
  const text = await documentOf(await needed(blobs, nameOf(image.Config)));
  const hex = createHash("sha256").update(text).digest("hex");
  const expected = /(?:^|\/)([0-9a-f]{64})(?:\.json)?$/.exec(image.Config)?.[1];
  if (expected !== undefined && expected !== hex) throw damaged(ofConfig, `has the digest sha256:${hex}`);
  const config = parseConfig(text, ofConfig);
  checkConfig(config, names.length, origin);
  const layers: Image["layers"] = async () => {
    const found: Layer[] = [];
    for (const [number, name] of names.entries()) {
      const diffId = config.rootfs.diff_ids[number]!.slice("sha256:".length);
      const file = await needed(blobs, nameOf(name));
      found.push({ ...file, origin: `${origin}: layer ${number + 1} of ${names.length} (${name})`, diffId });
    }
    return found;
  };
  return { digest: `sha256:${hex}`, created: createdTime(config), layers };
}
