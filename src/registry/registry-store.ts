import type { Bytes } from "../core/units.ts";
import type { ExchangeContext } from "./exchange.ts";
import type { RegistryReference } from "./reference.ts";
import { hasBlob, registryDownload } from "./registry-download.ts";
import { registryManifests } from "./registry-manifests.ts";
import { registryUpload } from "./registry-upload.ts";
import { repositoryOf } from "./repository.ts";
import type { ImageStore } from "./store.ts";

export interface RegistryContext extends ExchangeContext {
  /** Blobs of more bytes are sent in pieces of so many, each of which can be sent again; default 16 MiB. */
  readonly chunk?: Bytes;
  /** Settings allow what a reference says by `http://`; default false. */
  readonly plainHttp?: boolean;
  /** Read from before the registry itself. */
  readonly mirrors?: readonly Mirror[];
}
export interface Mirror {
  readonly reference: RegistryReference;
  readonly context: RegistryContext;
}

/** A repository of a registry. Source: OCI Distribution Specification 1.1 */
export function registryStore(
  reference: Pick<RegistryReference, "registry" | "repository" | "plainHttp">,
  context: RegistryContext,
): ImageStore {
  const plainHttp = reference.plainHttp || (context.plainHttp ?? false);
  const repository = repositoryOf({ ...reference, plainHttp }, context);
  return {
    origin: repository.origin,
    ...registryManifests(repository),
    ...registryDownload(repository),
    hasBlob: async (descriptor, { signal } = {}) => await hasBlob(repository, descriptor, repository.pull, signal),
    putBlob: registryUpload(repository, context.chunk),
  };
}
