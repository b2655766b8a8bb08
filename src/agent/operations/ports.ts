/** What operations do to images on the disk and elsewhere; each in a process of its own. Part of the agent's ports. */
import type { Bytes } from "../../core/units.ts";
import type { ImageSource, ImageSummary } from "../../layout/operation.ts";
import type { VerificationProgress, VerificationResult } from "../ports.ts";
import type { Place } from "./operation.ts";

/** An image as its manifest describes it, and whether anybody vouches for that. */
export interface InspectedImage {
  readonly image: ImageSummary;
  /** Where exactly it is: a folder's image, a URL after redirects. */
  readonly source: ImageSource;
  readonly kernel: string;
  /** Seconds since 1970. */
  readonly created: number;
  readonly architecture: string;
  /** What the verifier says: `unsigned`. */
  readonly trust: string;
}

export interface ImagePorts {
  /** @throws AppError `IMAGE_UNREADABLE`, `IMAGE_INVALID`, `IMAGE_NEWER`, `IMAGE_FOREIGN` */
  readonly inspect: (source: ImageSource, signal: AbortSignal) => Promise<InspectedImage>;
  /** What a place of this disk has. @throws AppError as {@link ImagePorts.inspect} */
  readonly inspectPlace: (place: Place, signal: AbortSignal) => Promise<InspectedImage>;
  /** Compares every byte of an image that is not on this disk's places with its manifest. */
  readonly check: (source: ImageSource, digest: string, progress: Progress, signal: AbortSignal) => Promise<VerificationResult>;
  /**
   * Writes an image over a place, from a byte on, through the partition's block device. It looks at the source's manifest first, and writes nothing when that
   * is another image by now.
   *
   * @param written is told what is durable
   * @throws AppError `IMAGE_CHANGED`, `IMAGE_UNREADABLE`, `PLACE_UNWRITABLE`
   */
  readonly write: (
    work: { readonly source: ImageSource; readonly image: ImageSummary; readonly place: Place; readonly from: Bytes },
    written: (bytes: Bytes) => void,
    signal: AbortSignal,
  ) => Promise<void>;
  /** Reads a place back from the disk, past every cache, and compares every byte with the manifest of that digest. */
  readonly verify: (place: Place, digest: string, progress: Progress, signal: AbortSignal) => Promise<VerificationResult>;
  /** Bytes that a place has room for. */
  readonly capacity: (place: Place) => Promise<Bytes>;
}
export type Progress = (progress: Pick<VerificationProgress, "done" | "total">) => void;
