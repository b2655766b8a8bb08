import { join } from "node:path";
import { AppError } from "../core/error.ts";
import { readText } from "../host/files.ts";
import { httpClient, type HttpClientOptions } from "../host/http-client.ts";
import type { Run } from "../host/run.ts";
import { wait } from "../host/wait.ts";
import { dockerCredentials } from "./credentials.ts";
import type { RegistryReference } from "./reference.ts";
import type { RegistryContext } from "./registry-store.ts";

export interface RegistrySettings {
  /** Of the process: where credentials are, proxies, and what helpers find their stores by. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** A file with certificates, PEM, of authorities that are trusted besides the public ones. */
  readonly caFile?: string;
  readonly run: Run;
  readonly random: RegistryContext["random"];
  readonly now: RegistryContext["now"];
}

/**
 * What a store needs to reach its registry, as the settings of a person or a machine have it; connections are kept until the scope ends.
 *
 * @throws AppError `CA_INVALID`
 */
export async function registryContext(
  { environment, caFile, run, random, now }: RegistrySettings,
  { registry, repository }: Pick<RegistryReference, "registry" | "repository">,
): Promise<RegistryContext & Disposable> {
  const client = httpClient({
    proxies: proxiesOf(environment),
    ...(caFile === undefined ? {} : { ca: await certificates(caFile) }),
  });
  const config = credentialsFile(environment);
  const env = Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  return {
    ...{ http: client.http, random, now },
    sleep: async (ms, signal) => await wait(ms, signal ?? new AbortController().signal),
    credentials: async (signal) =>
      config === undefined ? undefined : await dockerCredentials({ config, read, run, env, signal }, registry, repository),
    [Symbol.dispose]: () => client[Symbol.dispose](),
  };
}

/** As curl has it: in small letters first. Empty is none. */
function proxiesOf(environment: RegistrySettings["environment"]): NonNullable<HttpClientOptions["proxies"]> {
  const setting = (name: string): string | undefined => environment[name.toLowerCase()] || environment[name] || undefined;
  const [http, https, none] = [setting("HTTP_PROXY"), setting("HTTPS_PROXY"), setting("NO_PROXY")];
  return { ...(http ? { http } : {}), ...(https ? { https } : {}), ...(none ? { none } : {}) };
}

/** Source: containers-auth.json(5); docs.docker.com/reference/cli/docker, "Environment variables" */
function credentialsFile({
  REGISTRY_AUTH_FILE: file,
  DOCKER_CONFIG: folder,
  HOME: home,
}: RegistrySettings["environment"]): string | undefined {
  if (file) return file;
  if (folder) return join(folder, "config.json");
  return home ? join(home, ".docker/config.json") : undefined;
}

async function read(path: string): Promise<string | undefined> {
  return await readText(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw new AppError("CREDENTIALS_UNAVAILABLE", `${path} cannot be read (${error.code ?? error.message})`, { cause: error });
  });
}

async function certificates(path: string): Promise<string> {
  const invalid = (why: string, cause?: unknown): AppError =>
    new AppError("CA_INVALID", `${path} ${why}`, {
      hint: "Name a file with certificates in PEM: -----BEGIN CERTIFICATE-----.",
      cause,
    });
  const text = await readText(path).catch((error: NodeJS.ErrnoException) => {
    throw invalid(`cannot be read (${error.code ?? error.message})`, error);
  });
  if (!text.includes("-----BEGIN CERTIFICATE-----")) throw invalid("has no certificate");
  return text;
}
