/** @portable Judges a file that is meant to be a system image and nothing else: every bit of it. */
import { AppError } from "../core/error.ts";
import { findUncovered, type Finding } from "./uncovered.ts";
import { findManifest, verifyImage, type FoundManifest, type VerifyInput } from "./verify-image.ts";

export interface FileVerdict {
  /** Nothing where none can be read. */
  readonly found: FoundManifest | undefined;
  /** What is wrong with it: empty when it is whole. Of parts that are damaged, the first damage only. */
  readonly findings: readonly Finding[];
}

/**
 * {@link verifyImage}, and all that it does not look at.
 *
 * @throws as {@link verifyImage}
 */
export async function checkFile(input: Omit<VerifyInput, "digest">): Promise<FileVerdict> {
  const { image, sha256 } = input;
  const verdict = await verifyImage(input);
  const found = await findManifest(image, sha256).catch((error: unknown) => {
    if (!verdict.ok && error instanceof AppError) return undefined;
    throw error;
  });
  const damage = verdict.ok ? [] : [verdict.damage];
  return { found, findings: [...damage, ...(found ? await findUncovered(image, sha256, found) : [])] };
}
