/** What operations do to images on the disk and elsewhere; each in a process of its own. Part of the agent's ports. */
import type { Bytes } from "../../core/units.ts";
import type { AcceptedRelease, Downloaded, ImageSource, ImageSummary } from "../../layout/operation.ts";
import type { Told, UpgradeQuestion } from "../../release/may-upgrade.ts";
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
  /** Keys of machine configs that it takes; nothing where its manifest does not tell. */
  readonly machineConfig?: Readonly<Record<string, string>>;
  /** What the verifier says: `unsigned`, `signed by 0123abcd…`. */
  readonly trust: string;
  /** Of one from a registry: it has been judged, and taken. */
  readonly release?: AcceptedRelease;
  /** How its bytes would come. */
  readonly delivery?: Delivery;
}
export interface Delivery {
  /** In a few words. */
  readonly way: string;
  /** To be downloaded, at the most; and of the whole image, packed. */
  readonly bytes: Bytes;
  readonly of: Bytes;
}
/** What releases are judged by: src/release/judge-release.ts. */
export interface ReleaseJudgement extends Pick<UpgradeQuestion, "running" | "trusted" | "now" | "clockIsSet" | "clockWhy"> {
  readonly told: readonly Told[];
}
/** How far a write is. */
export interface WriteProgress {
  /** Bytes that are durable. */
  readonly written: Bytes;
  /** Of a release: by this write. */
  readonly downloaded?: Downloaded;
}

export interface ImagePorts {
  /**
   * @param judgement by which a release of a registry is taken or refused; without it nothing is judged
   * @throws AppError `IMAGE_UNREADABLE`, `IMAGE_INVALID`, `IMAGE_NEWER`, `IMAGE_FOREIGN`; of releases as mayUpgrade refuses them, StoreError
   */
  readonly inspect: (source: ImageSource, signal: AbortSignal, judgement?: ReleaseJudgement) => Promise<InspectedImage>;
  /** Those of a repository, as its store has them: no release has to be behind one. @throws StoreError */
  readonly tags: (reference: string, signal: AbortSignal) => Promise<readonly string[]>;
  /** What a place of this disk has. @throws AppError as {@link ImagePorts.inspect} */
  readonly inspectPlace: (place: Place, signal: AbortSignal) => Promise<InspectedImage>;
  /** Compares every byte of an image that is not on this disk's places with its manifest. */
  readonly check: (source: ImageSource, digest: string, progress: Progress, signal: AbortSignal) => Promise<VerificationResult>;
  /**
   * Writes an image over a place, from a byte on, through the partition's block device. It looks at the source's manifest first, and writes nothing when that
   * is another image by now.
   *
   * @param work.bandwidth of a release: bytes a second at the most
   * @param work.keep what the release's source says of it is kept, so that a later write of the same does not need it
   * @param progress is told what is durable, and how a release comes
   * @throws AppError `IMAGE_CHANGED`, `IMAGE_UNREADABLE`, `PLACE_UNWRITABLE`
   */
  readonly write: (
    work: {
      readonly source: ImageSource;
      readonly image: ImageSummary;
      readonly place: Place;
      readonly from: Bytes;
      readonly bandwidth?: Bytes;
      readonly keep?: boolean;
    },
    progress: (progress: WriteProgress | { readonly way: string }) => void,
    signal: AbortSignal,
  ) => Promise<Pick<WriteProgress, "downloaded">>;
  /** Reads a place back from the disk, past every cache, and compares every byte with the manifest of that digest. */
  readonly verify: (place: Place, digest: string, progress: Progress, signal: AbortSignal) => Promise<VerificationResult>;
  /** Bytes that a place has room for. */
  readonly capacity: (place: Place) => Promise<Bytes>;
}
export type Progress = (progress: Pick<VerificationProgress, "done" | "total">) => void;
