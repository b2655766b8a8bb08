/** @portable What a bill of materials is made of, whichever form it takes. */
import { hex, type Sha256 } from "../../core/digest.ts";
import type { OsRelease } from "../../layout/os-release.ts";
import type { Package } from "../../layout/package.ts";
import type { Manifest } from "../manifest.ts";

export interface BillInput {
  readonly manifest: Manifest;
  /** SHA-256 of the manifest, hex. */
  readonly digest: string;
  readonly os: OsRelease;
  /** Sorted; `licences` are all in force. */
  readonly packages: readonly (Package & { readonly licences: readonly string[] })[];
  readonly sha256: Sha256;
}

/** Who writes the documents. */
export const TOOL = "petrify";

/** When the content is of, which is when the documents are of: they do not depend on when they are made. */
export const timeOf = ({ created }: Manifest): string => new Date(created * 1000).toISOString().replace(/\.\d+Z$/, "Z");

/** A UUID that is the image's own, of version 8 (RFC 9562, section 5.8). */
export function billUuid({ manifest, digest, sha256 }: BillInput, form: string): string {
  const bytes = sha256.digest(new TextEncoder().encode(`petrify sbom ${form} ${manifest.rootHash} ${digest}`)).slice(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x80;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return hex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
