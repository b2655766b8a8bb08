/** Works on images of the machine's disk and elsewhere, by image-main.ts. */
import { join } from "node:path";
import { IMAGE_FILES } from "../layout/disk.ts";
import { IMAGES_FOLDER, RUN_FOLDER } from "../layout/fstab.ts";
import type { ImageSource } from "../layout/operation.ts";
import type { RunFacts } from "../layout/run-facts.ts";
import { AppError } from "../core/error.ts";
import type { Bytes } from "../core/units.ts";
import { fileExtents, type FileExtent } from "../host/file-extents.ts";
import { mountReadOnly } from "../host/linux.ts";
import type { Run } from "../host/run.ts";
import type { Place } from "./operations/operation.ts";
import type { ImagePorts, InspectedImage, ReleaseJudgement, WriteProgress } from "./operations/ports.ts";
import type { AgentPorts, VerificationResult } from "./ports.ts";
import type { ProxySettings } from "./proxy-settings.ts";
import type { Verification } from "./verification.ts";
import { work as workIn } from "./worker.ts";

/** What image-main.ts is told. */
export type ImageRequest =
  | { readonly do: "inspect"; readonly source: ImageSource; readonly judgement?: ReleaseJudgement; readonly means: ReleaseMeans }
  | { readonly do: "tags"; readonly reference: string; readonly means: ReleaseMeans }
  | { readonly do: "check"; readonly source: ImageSource; readonly digest: string; readonly means: ReleaseMeans }
  | {
      readonly do: "verify";
      readonly path: string;
      readonly digest?: string;
      readonly from: number;
      readonly priority: Verification["priority"];
    }
  | {
      readonly do: "write";
      readonly source: ImageSource;
      readonly digest: string;
      readonly size: Bytes;
      /** Block device of the partition, and where the place lies on it. */
      readonly device: string;
      readonly extents: readonly FileExtent[];
      readonly from: Bytes;
      /** Of a release: its documents are kept, for a later write. */
      readonly keep?: boolean;
      readonly means: ReleaseMeans;
    };
/** What a release needs besides its store. */
export interface ReleaseMeans {
  /** Path of the running image; nothing where that is in memory. */
  readonly running?: string;
  readonly proxies: ProxySettings;
  /** A second at the most; default: as fast as they come. */
  readonly bandwidth?: Bytes;
  /** Folder of documents that are kept; nothing where nothing is. */
  readonly kept?: string;
}
/** What it says, a line each. */
export type ImageLine =
  | { readonly done: number; readonly total: number; readonly position: number }
  | (WriteProgress & { readonly done?: true })
  | { readonly way: string }
  | { readonly whole: true }
  | { readonly whole: false; readonly damage: string }
  | { readonly inspected: InspectedImage }
  | { readonly tags: readonly string[] };

export interface ImageMeans {
  readonly run: Run;
  /** argv of image-main.ts. */
  readonly program: readonly [string, ...string[]];
  readonly facts: RunFacts;
  readonly proxies: ProxySettings;
  /** Folder for documents of a release that was downloaded; nothing where the machine keeps nothing. */
  readonly kept: string | undefined;
}

/** @throws in addition, AppError `IMAGE_NOT_VERIFIED` when an image could not be looked at: nothing is known then */
export function imageWork({ run, program, facts, proxies, kept }: ImageMeans): Pick<AgentPorts, "images" | "verify"> {
  /** @returns the last line */
  const work = async (request: ImageRequest, line: (line: ImageLine) => void, signal: AbortSignal): Promise<ImageLine> => {
    const last = await workIn<ImageLine>({ run, program }, request, line, signal);
    if (!last) throw new AppError("IMAGE_NOT_VERIFIED", "the image could not be looked at");
    return last;
  };
  const verdictOf = (line: ImageLine): VerificationResult => {
    if (!("whole" in line)) throw new AppError("IMAGE_NOT_VERIFIED", "the image could not be verified");
    return line.whole ? {} : { damage: line.damage };
  };
  const sourceOf = (source: ImageSource): ImageSource =>
    source.is === "recovery" ? { is: "file", path: join(IMAGES_FOLDER, facts.file) } : source;
  const means: ReleaseMeans = {
    ...(facts.slot === "ram" ? {} : { running: join(IMAGES_FOLDER, facts.file) }),
    ...{ proxies, ...(kept !== undefined && { kept }) },
  };
  let mounts = 0;
  const placed = async <T>(place: Place, use: (path: string) => Promise<T>): Promise<T> => {
    await using folder = await imagesFolder(place, facts, mounts++);
    return await use(join(folder.path, IMAGE_FILES[place]));
  };

  const inspect = async (source: ImageSource, signal: AbortSignal, judgement?: ReleaseJudgement): Promise<InspectedImage> => {
    const line = await work({ do: "inspect", source, ...(judgement ? { judgement } : {}), means }, () => {}, signal);
    if ("inspected" in line) return line.inspected;
    throw new AppError("IMAGE_UNREADABLE", "the image could not be looked at");
  };

  const images: ImagePorts = {
    inspect: async (source, signal, judgement) => ({
      ...(await inspect(sourceOf(source), signal, judgement)),
      ...(source.is === "recovery" ? { source } : {}),
    }),
    tags: async (reference, signal) => {
      const line = await work({ do: "tags", reference, means }, () => {}, signal);
      return "tags" in line ? line.tags : [];
    },
    inspectPlace: async (place, signal) => await placed(place, async (path) => await inspect({ is: "file", path }, signal)),
    check: async (source, digest, progress, signal) =>
      verdictOf(
        await work(
          { do: "check", source: sourceOf(source), digest, means },
          (line) => "position" in line && progress(line),
          signal,
        ),
      ),
    write: async ({ source, image: { digest, size }, place, from, bandwidth, keep = false }, progress, signal) =>
      await placed(place, async (path) => {
        const { size: capacity, extents } = await fileExtents(path);
        if (capacity < size) throw new AppError("IMAGE_TOO_LARGE", `the image of ${size} bytes does not fit ${capacity}`);
        const device = facts.partitions[partitionOf(place)]!.device;
        const limited = { ...means, ...(bandwidth !== undefined && { bandwidth }) };
        const wanted = { source: sourceOf(source), digest, size, device, extents, from, keep, means: limited };
        const last = await work(
          { do: "write", ...wanted },
          (line) => ("written" in line || "way" in line) && progress(line),
          signal,
        );
        if (!("written" in last && last.done))
          throw new AppError("PLACE_UNWRITABLE", "the image was not written to its end", {
            hint: "Try again: it goes on where it stopped.",
          });
        return last.downloaded ? { downloaded: last.downloaded } : {};
      }),
    capacity: async (place) => await placed(place, async (path) => (await fileExtents(path)).size),
    verify: async (place, digest, progress, signal) =>
      await verifyPlace(place, { digest, from: 0, priority: "urgent" }, progress, signal),
  };
  const verify: AgentPorts["verify"] = async ({ image, digest, from, priority }, recovery, progress, signal) => {
    const place: Place = image === "recovery" ? `recovery${recovery}` : image;
    return await verifyPlace(place, { ...(digest === undefined ? {} : { digest }), from, priority }, progress, signal);
  };
  return { images, verify };

  async function verifyPlace(
    place: Place,
    how: { readonly digest?: string; readonly from: number; readonly priority: Verification["priority"] },
    progress: (progress: { readonly blocks: number; readonly done: number; readonly total: number }) => void,
    signal: AbortSignal,
  ): Promise<VerificationResult> {
    return await placed(place, async (path) =>
      verdictOf(
        await work(
          { do: "verify", path, ...how },
          (line) => "position" in line && progress({ blocks: line.position, done: line.done, total: line.total }),
          signal,
        ),
      ),
    );
  }
}

const partitionOf = (place: Place): "state" | "recovery" => (place === "a" || place === "b" ? "state" : "recovery");

/**
 * The partition that the running image is in is mounted already; another one is, read-only, for as long as it takes, and in a folder
 * of its own: two may look at one place, and the first to end must not take it from the other.
 *
 * @param count of the mounts before this one
 */
async function imagesFolder(
  place: Place,
  { slot, partitions }: RunFacts,
  count: number,
): Promise<{ readonly path: string } & AsyncDisposable> {
  const partition = partitionOf(place);
  const mounted = slot === "recovery" ? "recovery" : "state";
  if (partition === mounted) return { path: IMAGES_FOLDER, [Symbol.asyncDispose]: async () => {} };
  const device = partitions[partition]?.device;
  if (device === undefined) throw new AppError("IMAGE_NOT_VERIFIED", `the disk has no ${partition} partition`);
  return await mountReadOnly(device, `${RUN_FOLDER}/images-${place}-${count}`);
}
