/** @portable What is signed of a release: its image's manifest, when it was made, how long it is good, which keys are trusted from now on. Format: docs/formats/release.md. */
import * as z from "zod";
import type { Sha256 } from "../core/digest.ts";
import { AppError } from "../core/error.ts";
import { canonicalJson, parseCanonicalJson } from "./canonical-json.ts";
import { parseManifest, type Manifest } from "./manifest.ts";
import { issueText } from "./issue-text.ts";
import { parseTrustedKeys, type TrustedKeys } from "./trusted-keys.ts";

/** Bytes. A larger document is not read. */
const LARGEST = 262_144;

const Release = z.object({
  /** A reader refuses a larger number; unknown keys of the same format are passed over. */
  format: z.literal(1),
  /** As the manifest has them. */
  name: z.string().min(1).max(200),
  version: z.string().min(1).max(200),
  /** For people and for whoever chooses a release; a machine does not judge it. */
  channel: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/)
    .optional(),
  /** Seconds since 1970: when the release was made. */
  created: z.int().min(0),
  /** Seconds since 1970: from then on a machine does not take it any more. */
  expires: z.int().min(0).optional(),
  /** The text of manifest.json, byte for byte as the image has it. */
  manifest: z.string(),
  /** What lists the pieces that the image is delivered in. */
  segments: z.object({ digest: z.string().regex(/^sha256:[0-9a-f]{64}$/), size: z.int().min(0) }).optional(),
  /** It mends something that others could use: machines may take it sooner. */
  security: z.literal(true).optional(),
  /** The keys that are trusted once this release is. */
  keys: z.custom<TrustedKeys>((value) => typeof value === "object").optional(),
});
export type Release = z.output<typeof Release>;

/** A release, and what it says about its image. */
export interface DecodedRelease {
  readonly release: Release;
  readonly manifest: Manifest;
}

/** The bytes that are signed. @throws AppError `RELEASE_INVALID` */
export function encodeRelease(release: Release, sha256: Sha256): Uint8Array {
  const bytes = new TextEncoder().encode(canonicalJson(release));
  decodeRelease(bytes, "the release", sha256);
  return bytes;
}

/**
 * Says nothing about who made it: that is signers.ts.
 *
 * @param origin names the document in messages
 * @throws AppError `RELEASE_INVALID`
 */
export function decodeRelease(bytes: Uint8Array, origin: string, sha256: Sha256): DecodedRelease {
  try {
    if (bytes.length > LARGEST) throw new Error(`has more than ${LARGEST} bytes`);
    const release = Release.parse(parseCanonicalJson(bytes));
    const manifest = parseManifest(release.manifest, "manifest");
    for (const key of ["name", "version"] as const) {
      if (release[key] !== manifest[key])
        throw new Error(`${key} is ${JSON.stringify(release[key])}, and ${JSON.stringify(manifest[key])} in the manifest`);
    }
    if (release.expires !== undefined && release.expires <= release.created) throw new Error("expires before it is created");
    if (release.keys) parseTrustedKeys(release.keys, sha256);
    return { release, manifest };
  } catch (error) {
    const what = error instanceof z.ZodError ? issueText(error) : (error as Error).message;
    throw new AppError("RELEASE_INVALID", `${origin}: ${what}`, { cause: error });
  }
}
