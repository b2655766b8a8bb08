import { MiB, type Bytes } from "../core/units.ts";
import { blobPath } from "../layout/oci-image.ts";
import { storeError } from "./errors.ts";
import { exchange, type ExchangeContext } from "./exchange.ts";
import { layoutReader, type LayoutFile } from "./layout-reader.ts";
import type { WebReference } from "./reference.ts";
import { hasBlob, registryDownload, type BlobServer } from "./registry-download.ts";
import { LARGEST_MANIFEST, type ImageStore } from "./store.ts";

/** Of documents that are kept, since referrers are found by reading all that the index names. */
const MEMORY: Bytes = 16 * MiB;

/**
 * A folder with an OCI image layout on an HTTP server, which gives files and knows nothing of images: it is read, and never written. Blobs come as those of a
 * registry, by ranges where the server has them. The index is read once: what the server has by then is what this store has.
 *
 * Source: OCI Image Format Specification 1.1, "Image Layout"
 */
export function webStore({ url }: Pick<WebReference, "url">, context: ExchangeContext): ImageStore {
  const { send, pause, document } = exchange(url, url, context);
  const server: BlobServer = { origin: url, pull: "", send, pause, blobUrl: (digest) => new URL(blobPath(digest), url).href };
  const kept = new Map<string, LayoutFile>();
  let left = MEMORY;

  const find = async (name: string, signal?: AbortSignal): Promise<LayoutFile | undefined> => {
    const known = kept.get(name);
    if (known) return known;
    const ask = { method: "GET", url: new URL(name, url).href, scope: "", what: name, ok: [200, 404], signal } as const;
    const { answer, bytes } = await document(ask, LARGEST_MANIFEST);
    if (answer.status === 404) return undefined;
    const file: LayoutFile = {
      size: bytes.length,
      read: async function* ({ start, length }) {
        yield bytes.subarray(start, start + length);
      },
    };
    if (bytes.length <= left && !kept.has(name)) {
      left -= bytes.length;
      kept.set(name, file);
    }
    return file;
  };
  const { index: _, ...reads } = layoutReader(url, { find }, "folder");
  const readOnly = (): Promise<never> =>
    Promise.reject(
      storeError(
        "REGISTRY_REFUSED",
        url,
        "a folder on an HTTP server is only read",
        "Write to the folder that the server has: oci:FOLDER.",
      ),
    );
  return {
    origin: url,
    ...reads,
    ...registryDownload(server),
    hasBlob: async (descriptor, { signal } = {}) => await hasBlob(server, descriptor, "", signal),
    putManifest: readOnly,
    putBlob: readOnly,
  };
}
