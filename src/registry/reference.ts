/** Where an image is: what people write to name one. Pure. */
import { AppError } from "../core/error.ts";

/** A repository of a registry, and what of it. */
export interface RegistryReference {
  readonly kind: "registry";
  /** `HOST` or `HOST:PORT`, as it was written; `docker.io` where none was. */
  readonly registry: string;
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: string;
  /** It was written with `http://`: nothing is encrypted. */
  readonly plainHttp: boolean;
}
/** A folder with an OCI image layout, and what of it. */
export interface LayoutReference {
  readonly kind: "layout";
  readonly folder: string;
  readonly tag?: string;
  readonly digest?: string;
}
/** A tar of such a folder, and what of it. */
export interface ArchiveReference {
  readonly kind: "archive";
  readonly file: string;
  readonly tag?: string;
  readonly digest?: string;
}
/** A folder with an OCI image layout on an HTTP server, and what of it. */
export interface WebReference {
  readonly kind: "web";
  /** `https:` or `http:`, with `/` at its end. */
  readonly url: string;
  readonly tag?: string;
  readonly digest?: string;
}
export type Reference = RegistryReference | LayoutReference | ArchiveReference | WebReference;

/** Source: OCI Image Format Specification 1.1, "Registered Algorithms" (sha256), in the one way that it may be written. */
export const DIGEST = /^sha256:[0-9a-f]{64}$/;
/** Source: OCI Distribution Specification 1.1, "Pulling manifests". */
export const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?";
/** A name or an IPv4 address, or an IPv6 address in brackets; perhaps a port. Source: github.com/distribution/reference, "Grammar". */
const REGISTRY = new RegExp(String.raw`^(?:${LABEL}(?:\.${LABEL})*|\[[0-9a-fA-F:]{2,39}\])(?::([1-9]\d{0,4}))?$`);
/** Names of more are refused by registries that keep them in a column of 255. Source: OCI Distribution Specification 1.1, "Pulling manifests" */
const LONGEST = 255;
const LONGEST_TEXT = 4096;
/** Without a user, a query, or what a browser would read otherwise than others do. */
const WEB_FOLDER = /^https?:\/\/[A-Za-z0-9[][!"$->A-[\]-~]{0,500}\/$/;

const DOCKER_HUB = "docker.io";
/** What Docker Hub is called where its API answers. */
const DOCKER_HUB_API = "registry-1.docker.io";

/**
 * `REGISTRY[:PORT]/REPOSITORY[:TAG][@DIGEST]`, or `oci:FOLDER[:TAG][@DIGEST]`, or `oci-archive:FILE[:TAG][@DIGEST]`, or `https://HOST/FOLDER/[:TAG][@DIGEST]`.
 *
 * As docker has it, the first part is a registry when it has a dot or a port or is `localhost`; else it belongs to Docker Hub's repository. Plain HTTP is
 * `http://` in front, and nothing else. With a `/` at its end it is a folder on an HTTP server.
 *
 * @throws AppError `REFERENCE_INVALID`
 */
export function parseReference(text: string): Reference {
  if (text.length > LONGEST_TEXT) throw invalid(`${text.slice(0, 40)}…`, `is longer than ${LONGEST_TEXT} characters`);
  const scheme = SCHEMES.find((one) => text.startsWith(one));
  const [name, digest] = withoutDigest(text, text.slice(scheme?.length ?? 0));
  const suffix = digest === undefined ? {} : { digest };
  if (scheme === undefined && isWebFolder(name)) return { ...webOf(text, name), ...suffix };
  if (scheme === undefined) return { ...registryOf(text, name), ...suffix };
  const { path, tag } = pathOf(text, name, scheme === "oci:" ? "folder" : "file");
  const rest = { ...(tag === undefined ? {} : { tag }), ...suffix };
  return scheme === "oci:" ? { kind: "layout", folder: path, ...rest } : { kind: "archive", file: path, ...rest };
}
const SCHEMES = ["oci:", "oci-archive:"] as const;

/** The text of a reference; parsed again it is the same reference. */
export function formatReference(reference: Reference): string {
  const { tag, digest } = reference;
  const suffix = `${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${digest}`}`;
  if (reference.kind === "layout") return `oci:${reference.folder}${suffix}`;
  if (reference.kind === "archive") return `oci-archive:${reference.file}${suffix}`;
  if (reference.kind === "web") return `${reference.url}${suffix}`;
  return `${reference.plainHttp ? "http://" : ""}${reference.registry}/${reference.repository}${suffix}`;
}

/** Where the registry's API is, without a slash at the end. */
export function registryOrigin({ registry, plainHttp }: Pick<RegistryReference, "registry" | "plainHttp">): string {
  return `${plainHttp ? "http" : "https"}://${registry === DOCKER_HUB ? DOCKER_HUB_API : registry}`;
}

function withoutDigest(text: string, rest: string): [string, string | undefined] {
  const at = rest.lastIndexOf("@sha256:");
  if (at === -1) {
    if (/@sha\d+:|@[a-z0-9]+:[0-9a-f]{32,}$/.test(rest)) throw invalid(text, "has a digest that is not sha256");
    return [rest, undefined];
  }
  const digest = rest.slice(at + 1);
  if (!DIGEST.test(digest)) throw invalid(text, "has a digest that is not sha256: and 64 lower-case hexadecimal digits");
  return [rest.slice(0, at), digest];
}

function pathOf(text: string, name: string, what: "folder" | "file"): { readonly path: string; readonly tag?: string } {
  // A colon in a folder's name is one before the last slash.
  const colon = name.lastIndexOf(":");
  const split = colon > name.lastIndexOf("/");
  const path = split ? name.slice(0, colon) : name;
  if (path === "") throw invalid(text, `names no ${what}`);
  if (path.includes("\0")) throw invalid(text, "has a zero byte");
  return { path, ...(split ? { tag: checkedTag(text, name.slice(colon + 1)) } : {}) };
}

/** Whether somebody means a folder on an HTTP server: a URL with `/` at its end, or before a tag or a digest. */
export const isWebFolder = (text: string): boolean => /^https?:\/\/[^/]+\/(?:[^]*\/)?(?::[^/@]*)?(?:@sha256:[^/]*)?$/.test(text);

function webOf(text: string, name: string): WebReference {
  const end = name.lastIndexOf("/") + 1;
  const url = WEB_FOLDER.test(name.slice(0, end)) ? URL.parse(name.slice(0, end)) : null;
  if (!url)
    throw invalid(
      text,
      "names a folder on an HTTP server that is none",
      "Write https://HOST/FOLDER/, without a user or a query.",
    );
  return { kind: "web", url: url.href, ...(end < name.length ? { tag: checkedTag(text, name.slice(end + 1)) } : {}) };
}

function registryOf(text: string, name: string): RegistryReference {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//.exec(name)?.[1];
  if (scheme !== undefined && scheme !== "http") {
    throw invalid(
      text,
      `begins with ${scheme}://`,
      "Leave it out: registries are asked by HTTPS; http:// in front asks for plain HTTP. A folder on a server has / at its end.",
    );
  }
  const plainHttp = scheme === "http";
  const rest = plainHttp ? name.slice("http://".length) : name;
  const slash = rest.indexOf("/");
  const first = slash === -1 ? "" : rest.slice(0, slash);
  const named = plainHttp || first === "localhost" || /[.:[]/.test(first);
  if (plainHttp && slash === -1) throw invalid(text, "names no repository");
  if (named && !isRegistry(first)) throw invalid(text, `names a registry that is none: ${JSON.stringify(first)}`);
  const path = named ? rest.slice(slash + 1) : rest;
  const colon = path.lastIndexOf(":");
  const tagged = colon > path.lastIndexOf("/");
  const own = tagged ? path.slice(0, colon) : path;
  const registry = !named || first === "index.docker.io" ? DOCKER_HUB : first;
  const repository = registry === DOCKER_HUB && !own.includes("/") ? `library/${own}` : own;
  if (own === "") throw invalid(text, "names no repository");
  if (!REPOSITORY.test(own)) {
    throw invalid(
      text,
      `names a repository that is none: ${JSON.stringify(own)}`,
      "Repositories have lower-case letters, digits, and . _ - between them, in parts with / between them.",
    );
  }
  if (registry.length + repository.length + 1 > LONGEST) throw invalid(text, `has a name of more than ${LONGEST} characters`);
  return {
    kind: "registry",
    registry,
    repository,
    ...(tagged ? { tag: checkedTag(text, path.slice(colon + 1)) } : {}),
    plainHttp,
  };
}

function isRegistry(host: string): boolean {
  const match = REGISTRY.exec(host);
  return match !== null && Number(match[1] ?? 1) < 65_536 && URL.canParse(`https://${host}/`);
}

function checkedTag(text: string, tag: string): string {
  if (TAG.test(tag)) return tag;
  throw invalid(
    text,
    `has a tag that is none: ${JSON.stringify(tag)}`,
    "Tags have up to 128 letters, digits, and . _ -, and begin with a letter, a digit or _.",
  );
}

const invalid = (
  text: string,
  what: string,
  hint = "Write REGISTRY/REPOSITORY:TAG, e.g. registry.example/team/os:1.4.0, oci:FOLDER:TAG, oci-archive:FILE:TAG, or https://HOST/FOLDER/:TAG.",
): AppError => new AppError("REFERENCE_INVALID", `${JSON.stringify(text)} ${what}`, { hint });
