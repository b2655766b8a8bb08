/** @portable Package URLs: names of packages that scanners look up. Source: package-url/purl-spec, PURL-SPECIFICATION and types deb, rpm, apk. */
import type { OsRelease } from "./os-release.ts";
import type { Package } from "./package.ts";

/** `pkg:deb/debian/bash@5.2.37-2?arch=amd64&distro=debian-13` */
export function packageUrl({ kind, name, version, epoch, architecture, source }: Package, os: OsRelease): string {
  const id = (os["ID"] ?? "").toLowerCase();
  const distro = id && os["VERSION_ID"] ? `${id}-${os["VERSION_ID"]}` : id;
  const qualifiers = {
    arch: architecture,
    distro,
    epoch: epoch ? String(epoch) : "",
    upstream: source && source.name !== name ? source.name : "", // as scanners write it
  };
  const pairs = Object.entries(qualifiers)
    .filter(([, value]) => value !== "")
    .map(([key, value]) => `${key}=${encoded(value)}`);
  const own = kind === "rpm" ? name : name.toLowerCase();
  return `pkg:${kind}/${id ? `${encoded(id)}/` : ""}${encoded(own)}@${encoded(version)}?${pairs.join("&")}`;
}

/** Everything but letters, digits and `-._~`, and the colon. */
const encoded = (text: string): string =>
  encodeURIComponent(text.toWellFormed())
    .replaceAll(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll("%3A", ":");
