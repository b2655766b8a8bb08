import { AppError } from "../core/error.ts";
import { MiB } from "../core/units.ts";
import { readHead } from "../host/files.ts";
import type { ReferrerInput } from "../release/oci-artifact.ts";
import { IN_TOTO_MEDIA, statement } from "../release/in-toto.ts";
import { PROVENANCE_TYPE } from "../release/provenance.ts";

/** Bytes. That of an image of a thousand packages has some 300 KiB. */
const LARGEST = 16 * MiB;

/**
 * What a file says of how an image was made: SLSA's provenance, or a statement of in-toto that has one. Of a statement its subject is left: it is said of
 * the release instead.
 *
 * @throws AppError `PROVENANCE_INVALID`
 */
export async function readProvenance(path: string): Promise<Readonly<Record<string, unknown>>> {
  const invalid = (why: string, cause?: unknown): AppError =>
    new AppError("PROVENANCE_INVALID", `${path}: ${why}`, {
      hint: "Name a JSON file with `buildDefinition` and `runDetails` (SLSA's provenance, version 1).",
      cause,
    });
  const bytes = await readHead(path, LARGEST + 1);
  if (!bytes) throw invalid("cannot be read");
  if (bytes.length > LARGEST) throw invalid(`has more than ${LARGEST} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw invalid("is not JSON", cause);
  }
  const { predicateType, predicate } = objectOf(value) ?? {};
  if (predicateType !== undefined && predicateType !== PROVENANCE_TYPE) throw invalid("is a statement about something else");
  const found = objectOf(predicateType === undefined ? value : predicate);
  if (!found || !objectOf(found["buildDefinition"]) || !objectOf(found["runDetails"])) throw invalid("is no provenance");
  return found;
}

/** The annotation is the one that BuildKit writes, and that others look for. */
export const provenanceOf = (
  digest: string,
  predicate: Readonly<Record<string, unknown>>,
): Pick<ReferrerInput, "artifactType" | "bytes" | "annotations"> => ({
  artifactType: IN_TOTO_MEDIA,
  bytes: new TextEncoder().encode(`${JSON.stringify(statement(digest, PROVENANCE_TYPE, predicate))}\n`),
  annotations: { "in-toto.io/predicate-type": PROVENANCE_TYPE },
});

const objectOf = (value: unknown): Readonly<Record<string, unknown>> | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
