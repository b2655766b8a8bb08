/** docker's config.json: who somebody is at a registry. Pure. Source: docs.docker.com/reference/cli/docker/login, containers-auth.json(5) */
import * as z from "zod";
import { AppError } from "../core/error.ts";

/** What a registry is told about who asks. Never shown, never in an argument of a program. */
export type Credentials =
  | { readonly kind: "password"; readonly user: string; readonly password: string }
  /** For the registry's token service, in place of a password. Source: distribution, "Docker Registry v2 authentication using OAuth2" */
  | { readonly kind: "identity-token"; readonly token: string }
  /** For the registry itself. */
  | { readonly kind: "registry-token"; readonly token: string };

/** Where credentials are, or that there are none. */
export type CredentialSource =
  | { readonly from: "nowhere" }
  | { readonly from: "file"; readonly credentials: Credentials }
  /** A program that is asked for one server. */
  | { readonly from: "helper"; readonly program: string; readonly server: string };

const Auth = z.object({
  auth: z.string().nullish(),
  username: z.string().nullish(),
  password: z.string().nullish(),
  identitytoken: z.string().nullish(),
  registrytoken: z.string().nullish(),
});
const DockerConfig = z.object({
  auths: z.record(z.string(), Auth).nullish(),
  credHelpers: z.record(z.string(), z.string()).nullish(),
  credsStore: z.string().nullish(),
});
export type DockerConfig = z.output<typeof DockerConfig>;

/** What Docker Hub is called in there. */
const DOCKER_HUB_KEY = "https://index.docker.io/v1/";
/** Part of a program's name, and nothing that leads to another folder. */
const HELPER = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/**
 * @param origin of the text, for errors; the text itself is secret and in none of them
 * @throws AppError `CREDENTIALS_INVALID`
 */
export function parseDockerConfig(text: string, origin: string): DockerConfig {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalid(origin, "is not JSON"); // what JSON.parse says quotes the text
  }
  const parsed = DockerConfig.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw invalid(origin, `${issue?.path.join(".") || "it"}: ${issue?.message}`);
}

/**
 * What the config says of a registry: its own helper first, then the store of all, then the file.
 *
 * @param registry `HOST[:PORT]` as references have it
 * @param repository entries of `auths` may be for a part of a registry; the longest that fits counts
 * @throws AppError `CREDENTIALS_INVALID`
 */
export function credentialSource(config: DockerConfig, registry: string, repository: string, origin: string): CredentialSource {
  const server = registry === "docker.io" ? DOCKER_HUB_KEY : registry;
  const own = config.credHelpers?.[server] ?? config.credHelpers?.[registry];
  const helper = own ?? config.credsStore;
  if (helper) {
    if (!HELPER.test(helper)) throw invalid(origin, `names a credential helper that is none: ${JSON.stringify(helper)}`);
    return { from: "helper", program: `docker-credential-${helper}`, server };
  }
  const auths = new Map(Object.entries(config.auths ?? {}).map(([key, auth]) => [serverKey(key), auth]));
  const parts = repository.split("/");
  for (let length = parts.length; length >= 0; length--) {
    const auth = auths.get([registry, ...parts.slice(0, length)].join("/"));
    const credentials = auth && credentialsOf(auth, registry, origin);
    if (credentials) return { from: "file", credentials };
  }
  return { from: "nowhere" };
}

/** Keys were once URLs of an API. */
function serverKey(key: string): string {
  const plain = key.replace(/^https?:\/\//, "").replace(/\/(?:v[12]\/?)?$/, "");
  return plain === "index.docker.io" || plain === "registry-1.docker.io" ? "docker.io" : plain;
}

function credentialsOf(auth: z.output<typeof Auth>, registry: string, origin: string): Credentials | undefined {
  if (auth.registrytoken) return { kind: "registry-token", token: auth.registrytoken };
  if (auth.identitytoken) return { kind: "identity-token", token: auth.identitytoken };
  if (auth.auth) {
    const pair = new TextDecoder().decode(base64(auth.auth));
    const colon = pair.indexOf(":");
    if (colon < 1) throw invalid(origin, `auths: the entry of ${registry} has no USER:PASSWORD in base64`);
    return { kind: "password", user: pair.slice(0, colon), password: pair.slice(colon + 1).replace(/\0+$/, "") };
  }
  if (auth.username && auth.password) return { kind: "password", user: auth.username, password: auth.password };
  return undefined;
}

function base64(text: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}

const Answer = z.object({ Username: z.string(), Secret: z.string() });
/** A helper says so of a secret that is no password. Source: docker/docker-credential-helpers, README "Usage" */
const TOKEN_USER = "<token>";

/** What a helper wrote to its output. @throws AppError `CREDENTIALS_INVALID` */
export function parseHelperAnswer(text: string, program: string): Credentials {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalid(program, "did not answer with JSON");
  }
  const parsed = Answer.safeParse(value);
  if (!parsed.success) throw invalid(program, "did not answer with a Username and a Secret");
  const { Username: user, Secret: secret } = parsed.data;
  return user === TOKEN_USER ? { kind: "identity-token", token: secret } : { kind: "password", user, password: secret };
}

const invalid = (origin: string, what: string): AppError =>
  new AppError("CREDENTIALS_INVALID", `${origin} ${what}`, {
    hint: "Log in again: `docker login REGISTRY`, `podman login --compat-auth-file ~/.docker/config.json REGISTRY`.",
  });
