import { AppError } from "../core/error.ts";
import { readStream } from "../host/stream-file.ts";
import { INDEX_FILE } from "../layout/oci-image.ts";
import { parseIndex } from "./documents.ts";
import { isNamed, REF_NAME } from "./layout-reader.ts";
import { invalidAnswer } from "./errors.ts";
import { LARGEST_MANIFEST } from "./store.ts";
import { indexTar } from "./tar-index.ts";

/**
 * Which image of an archive is meant: the one with the tag, or the only one, which need not have any.
 *
 * @param origin how the archive is called in errors
 * @returns its digest
 * @throws StoreError `REGISTRY_INVALID`; AppError `IMAGE_NOT_FOUND`
 */
export async function archivedImage(file: string, tag: string | undefined, origin: string): Promise<string> {
  const place = (await indexTar(file, origin)).get(INDEX_FILE);
  if (!place || place.size > LARGEST_MANIFEST) throw invalidAnswer(origin, `has no ${INDEX_FILE}: it is no OCI image layout`);
  const bytes = Buffer.concat(await Array.fromAsync(readStream(file, { start: place.start, length: place.size })));
  const { manifests } = parseIndex(bytes, `${origin}: ${INDEX_FILE}`);
  const found = tag === undefined ? manifests : manifests.filter((one) => isNamed(one, tag));
  const digests = [...new Set(found.map(({ digest }) => digest))];
  if (digests.length === 1) return digests[0]!;
  const names = manifests.flatMap(({ annotations }) => annotations?.[REF_NAME] ?? []);
  const what = digests.length === 0 ? `no image${tag === undefined ? "" : ` ${tag}`}` : `${digests.length} images`;
  throw new AppError("IMAGE_NOT_FOUND", `${origin} has ${what}`, {
    hint:
      names.length === 0
        ? "Save the image again, alone."
        : `Say which one: oci-archive:FILE:TAG. It has ${names.slice(0, 20).join(", ")}.`,
  });
}
