/** A release of the matrix: in a folder, signed, with a delta, and with one more trusted key. */
import { KiB, type Bytes } from "../../src/core/units.ts";
import { sha256 } from "../../src/host/sha256.ts";
import { layoutStore } from "../../src/registry/layout-store.ts";
import { addKey, firstKeys } from "../../src/release/change-keys.ts";
import type { TrustedKeys } from "../../src/release/trusted-keys.ts";
import { publishWithDelta, type DeltaRelease } from "../support/delta-release.ts";
import { newKeyPair } from "../support/signing.ts";
import { RELEASE_TAG } from "./lab/operations.ts";

/** Small enough for a small image to have many. */
export const MATRIX_SEGMENT: Bytes = 128 * KiB;

/** @returns what a machine has to trust already, to take it */
export async function makeMatrixRelease(
  folder: string,
  images: Pick<DeltaRelease, "from" | "image" | "created">,
): Promise<{ readonly trusted: TrustedKeys }> {
  const key = newKeyPair();
  const trusted = firstKeys([key.publicKey], sha256);
  const keys = addKey(trusted, newKeyPair().publicKey, sha256);
  const release = { ...images, store: layoutStore(folder), tag: RELEASE_TAG, key, keys, segmentSize: MATRIX_SEGMENT };
  await publishWithDelta(release);
  return { trusted };
}
