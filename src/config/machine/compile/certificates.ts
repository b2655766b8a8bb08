/** @portable `ca_certs`: authorities that every program of a machine trusts. No program of the image has to run: the bundles are made as text. */
import { AUTHORITIES_PATH } from "../../../layout/authorities-path.ts";
import { decodePem, encodePem } from "../../../layout/pem.ts";
import type { NodeConfig } from "../node-config.ts";
import { subjectHash } from "./certificate-name.ts";
import type { ImageView } from "./image-view.ts";
import { gone, link, textFile, type Draft, type Part, type Unsupported } from "./part.ts";

/** Where distributions keep all authorities in one file; every one that an image has is made anew. */
const BUNDLES = [
  "/etc/ssl/certs/ca-certificates.crt", // Debian, Alpine, Gentoo, Arch
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora
  "/etc/ca-certificates/extracted/tls-ca-bundle.pem", // Arch
  "/var/lib/ca-certificates/ca-bundle.pem", // openSUSE
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
  "/etc/pki/tls/certs/ca-bundle.crt",
];
/** OpenSSL looks for one file an authority in them. */
const FOLDERS = ["/etc/ssl/certs", "/etc/pki/ca-trust/extracted/pem/directory-hash"];
/** What the image's own program would make the bundle from, should anybody run it. */
const ANCHORS = "/etc/pki/ca-trust/source/anchors";
const BLOCK = /-----BEGIN [^-]{1,64}-----[^-]*-----END [^-]{1,64}-----/g;
const KEY = "ca_certs";

interface Authority {
  readonly pem: string;
  readonly hash: string;
}

export function compileCertificates(
  { certificates }: NodeConfig,
  view: ImageView,
  sha1: (bytes: Uint8Array) => Uint8Array,
): Part {
  if (!certificates) return {};
  const { removeDefaults, trusted } = certificates;
  const unsupported: Unsupported[] = [];
  const authorities = new Map<string, Authority>();
  for (const [index, text] of trusted.entries()) {
    const found = authoritiesIn(text, sha1);
    if (found) for (const authority of found) authorities.set(authority.pem, authority);
    else unsupported.push({ key: `${KEY}.trusted[${index}]`, problem: "must be certificates in PEM, and nothing else" });
  }
  if (authorities.size === 0 && !removeDefaults) return { unsupported };
  const own = [...authorities.values()].map(({ pem }) => pem).join("");
  const drafts: Draft[] = [textFile(KEY, AUTHORITIES_PATH, own)];
  const bundles = bundlesOf(view);
  for (const path of bundles) {
    const image = removeDefaults ? "" : ended(view.read(path) ?? "");
    drafts.push(textFile(KEY, path, image + own));
  }
  for (const folder of foldersOf(view))
    drafts.push(...inFolder(folder, [...authorities.values()], bundles, removeDefaults, view));
  if (view.has(ANCHORS)) drafts.push(textFile(KEY, `${ANCHORS}/petrify.pem`, own));
  return { drafts, unsupported };
}

/** Nothing for a text with anything else in it. */
function authoritiesIn(text: string, sha1: (bytes: Uint8Array) => Uint8Array): Authority[] | undefined {
  const found: Authority[] = [];
  for (const block of text.match(BLOCK) ?? []) {
    const decoded = decodePem(block);
    const hash = decoded?.label === "CERTIFICATE" ? subjectHash(decoded.bytes, sha1) : undefined;
    if (!decoded || hash === undefined) return undefined;
    found.push({ pem: encodePem("CERTIFICATE", decoded.bytes), hash });
  }
  return found.length > 0 ? found : undefined;
}

/** Where links of the image lead; Debian's where there is none: programs without one have nothing to trust. */
function bundlesOf(view: ImageView): string[] {
  const found = BUNDLES.map((path) => view.find(path, "follow")).filter((at) => at?.node === "file");
  return found.length === 0 ? [BUNDLES[0]!] : [...new Set(found.map((at) => at!.path))];
}

const foldersOf = (view: ImageView): string[] => [
  ...new Set(FOLDERS.map((path) => view.find(path, "follow")).flatMap((at) => (at?.node === "folder" ? [at.path] : []))),
];

function inFolder(
  folder: string,
  authorities: readonly Authority[],
  bundles: readonly string[],
  removeDefaults: boolean,
  view: ImageView,
): Draft[] {
  const names = view.list(folder);
  const drafts: Draft[] = [];
  const taken = new Set(removeDefaults ? [] : names);
  const made = new Set<string>();
  for (const [index, { pem, hash }] of authorities.entries()) {
    const file = `petrify-${index + 1}.pem`;
    let number = 0;
    while (taken.has(`${hash}.${number}`)) number++;
    for (const name of [file, `${hash}.${number}`]) {
      taken.add(name);
      made.add(name);
    }
    drafts.push(textFile(KEY, `${folder}/${file}`, pem), link(KEY, `${folder}/${hash}.${number}`, file));
  }
  // Links by which programs find a bundle stay.
  const isBundle = (name: string): boolean => bundles.includes(view.find(`${folder}/${name}`, "follow")?.path ?? "");
  const old = removeDefaults ? names.filter((name) => !made.has(name) && !isBundle(name)) : [];
  return [...drafts, ...old.map((name) => gone(KEY, `${folder}/${name}`))];
}

const ended = (text: string): string => (text === "" || text.endsWith("\n") ? text : `${text}\n`);
