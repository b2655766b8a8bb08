import { dirname, join, resolve } from "node:path";
import { parseRegistries, settingFor } from "../config/registries.ts";
import { AppError } from "../core/error.ts";
import type { Pace } from "../core/pace.ts";
import { readText } from "../host/files.ts";
import { httpClient, type HttpClientOptions } from "../host/http-client.ts";
import type { Run } from "../host/run.ts";
import { wait } from "../host/wait.ts";
import { dockerCredentials } from "./credentials.ts";
import { pacedHttp } from "./paced-http.ts";
import { parseReference, type RegistryReference, type WebReference } from "./reference.ts";
import type { Mirror, RegistryContext } from "./registry-store.ts";

export interface RegistrySettings {
  /** Of the process: where credentials are, proxies, and what helpers find their stores by. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** A file with certificates, PEM, of authorities that are trusted besides the public ones. */
  readonly caFile?: string;
  /** Mirrors, authorities and plain HTTP by registry; default: the user's, `~/.config/petrify/registries.yaml`, where there is one. */
  readonly registriesFile?: { readonly path: string; /** An error where it is missing. */ readonly needed: boolean };
  /** How fast answers come, all together: of mirrors, too. Default: as they do. */
  readonly pace?: Pace;
  readonly run: Run;
  readonly random: RegistryContext["random"];
  readonly now: RegistryContext["now"];
}

/** Repeating is the next mirror's business, and in the end that of the registry itself. */
const MIRROR_TRIES = 2;

/**
 * What a store needs to reach its registry, as the settings of a person or a machine have it; connections are kept until the scope ends. Of what is said of
 * registries authorities and credentials are good for folders on HTTP servers, too; mirrors are not.
 *
 * @throws AppError `CA_INVALID`, `REGISTRIES_INVALID`, `REFERENCE_INVALID` (a mirror whose names come to be none)
 */
export async function registryContext(
  settings: RegistrySettings,
  named: Pick<RegistryReference, "registry" | "repository"> | WebReference,
): Promise<RegistryContext & Disposable> {
  const isWeb = "url" in named;
  const { registry, repository } = isWeb ? placeOf(named) : named;
  const file = settings.registriesFile ?? userRegistries(settings.environment);
  const text = file && (await registriesText(file.path, file.needed));
  const byPrefix = text === undefined ? {} : parseRegistries(text, file!.path);
  using opened = new DisposableStack();
  const context = async (of: Pick<RegistryReference, "registry" | "repository">): Promise<RegistryContext> => {
    const own = settingFor(byPrefix, of.registry, of.repository)?.setting;
    const plainHttp = own?.plainHttp === true ? { plainHttp: true } : {};
    const caFiles = [settings.caFile, own?.ca === undefined ? undefined : resolve(dirname(file!.path), own.ca)];
    return { ...opened.use(await oneRegistry(settings, caFiles, of)), ...plainHttp };
  };
  const found = settingFor(byPrefix, registry, repository);
  const own = await context({ registry, repository });
  const mirrors: Mirror[] = [];
  for (const mirror of isWeb ? [] : (found?.setting.mirrors ?? [])) {
    const rest = `${registry}/${repository}`.slice(found!.prefix.length);
    const reference = parseReference(`${mirror}${rest}`);
    if (reference.kind !== "registry") throw new Error(`unreachable: ${mirror} is no registry`);
    mirrors.push({ reference, context: { ...(await context(reference)), tries: MIRROR_TRIES } });
  }
  const kept = opened.move();
  return { ...own, ...(mirrors.length > 0 ? { mirrors } : {}), [Symbol.dispose]: () => kept.dispose() };
}

/** As settings and credentials name it. */
function placeOf({ url }: WebReference): Pick<RegistryReference, "registry" | "repository"> {
  const { host, pathname } = new URL(url);
  return { registry: host, repository: pathname.slice(1, -1) };
}

async function oneRegistry(
  { environment, pace, run, random, now }: RegistrySettings,
  caFiles: readonly (string | undefined)[],
  { registry, repository }: Pick<RegistryReference, "registry" | "repository">,
): Promise<RegistryContext & Disposable> {
  const authorities = await Promise.all(caFiles.filter((path) => path !== undefined).map(certificates));
  const client = httpClient({
    proxies: proxiesOf(environment),
    ...(authorities.length === 0 ? {} : { ca: authorities.join("\n") }),
  });
  const config = credentialsFile(environment);
  const env = Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  return {
    ...{ http: pace ? pacedHttp(client.http, pace) : client.http, random, now },
    sleep: async (ms, signal) => await wait(ms, signal ?? new AbortController().signal),
    credentials: async (signal) =>
      config === undefined ? undefined : await dockerCredentials({ config, read, run, env, signal }, registry, repository),
    [Symbol.dispose]: () => client[Symbol.dispose](),
  };
}

/** Source: XDG Base Directory Specification 0.8 */
function userRegistries({
  XDG_CONFIG_HOME: folder,
  HOME: home,
}: RegistrySettings["environment"]): RegistrySettings["registriesFile"] {
  const configs = folder || (home ? join(home, ".config") : undefined);
  return configs === undefined ? undefined : { path: join(configs, "petrify/registries.yaml"), needed: false };
}

async function registriesText(path: string, needed: boolean): Promise<string | undefined> {
  return await readText(path).catch((error: NodeJS.ErrnoException) => {
    if (!needed && (error.code === "ENOENT" || error.code === "ENOTDIR")) return undefined;
    throw new AppError("REGISTRIES_INVALID", `${path} cannot be read (${error.code ?? error.message})`, {
      hint: "Name a file with settings of registries: docs/formats/registries.md.",
      cause: error,
    });
  });
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
