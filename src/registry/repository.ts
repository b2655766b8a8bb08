import { exchange, type Exchange, type ExchangeContext } from "./exchange.ts";
import { StoreError } from "./errors.ts";
import { registryOrigin, type RegistryReference } from "./reference.ts";

/** One repository of a registry, as everything that is asked of it needs it. */
export interface Repository extends Exchange {
  /** For messages: `registry.example/team/os`. */
  readonly origin: string;
  /** Where the registry's API is. */
  readonly server: string;
  /** What every path begins with: `/v2/team/os`. */
  readonly base: string;
  readonly blobUrl: (digest: string) => string;
  /** Scopes, as token services know them. */
  readonly pull: string;
  readonly push: string;
}

export function repositoryOf(
  { registry, repository, plainHttp }: Pick<RegistryReference, "registry" | "repository" | "plainHttp">,
  context: ExchangeContext,
): Repository {
  const origin = `${registry}/${repository}`;
  const server = registryOrigin({ registry, plainHttp });
  return {
    ...exchange(server, origin, context),
    ...{ origin, server, base: `/v2/${repository}`, blobUrl: (digest) => `/v2/${repository}/blobs/${digest}` },
    pull: `repository:${repository}:pull`,
    push: `repository:${repository}:pull,push`,
  };
}

/** A registry that reads what it got once more before it answers is given the time. */
export const FINISH_MS = 10 * 60_000;

/** @returns nothing for what is not there */
export function missing(error: unknown): undefined {
  if (error instanceof StoreError && error.code === "REGISTRY_NOT_FOUND") return undefined;
  throw error;
}
