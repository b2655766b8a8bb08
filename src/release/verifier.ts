/** @portable Whether anybody vouches for an image. Every image that is installed comes through one {@link Verifier}. */
import type { Manifest } from "./manifest.ts";

export interface Trust {
  /** A word or two for people: `unsigned`. */
  readonly says: string;
}
export interface Verifier {
  /**
   * Judges a manifest; that the image is the manifest's is judged by every byte of it (verify-image.ts).
   *
   * @param bytes as they are stored, which is what a signature covers
   * @throws AppError `IMAGE_UNTRUSTED`
   */
  readonly verify: (manifest: Manifest, bytes: Uint8Array) => Promise<Trust>;
}

/** Without signatures nobody does. */
export const unsigned: Verifier = { verify: async () => await Promise.resolve({ says: "unsigned" }) };
