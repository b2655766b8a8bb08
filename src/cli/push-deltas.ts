/** Deltas to a release that is being pushed, from releases that are in the same repository. */
import { join } from "node:path";
import { AppError } from "../core/error.ts";
import { hex } from "../core/digest.ts";
import { formatSize, type Bytes } from "../core/units.ts";
import { readBytes } from "../host/files.ts";
import { resumableFile } from "../host/resumable-file.ts";
import { sha256 } from "../host/sha256.ts";
import { workDir } from "../host/work-dir.ts";
import { zstdUnpack } from "../host/zstd.ts";
import { findDeltas, openRelease, readSegments, type FoundRelease } from "../registry/open-release.ts";
import { olderReleases } from "../registry/older-releases.ts";
import { pullImage } from "../registry/pull-release.ts";
import { pushReferrers, type PushedRelease } from "../registry/push-release.ts";
import type { ImageStore } from "../registry/store.ts";
import { referrer } from "../release/oci-artifact.ts";
import { DELTA_KEYS, DELTA_MEDIA } from "../release/release-artifact.ts";
import type { CliContext } from "./context.ts";
import { deltaOf } from "./delta/work.ts";

/** Deltas that `auto` makes: from so many releases before. */
const AUTO = 3;

export interface PushedDelta {
  /** Version of the old image. */
  readonly from: string;
  readonly bytes: Bytes;
  /** `too-large`: it has more bytes than all segments, and was not pushed. */
  readonly is: "pushed" | "was-there" | "too-large";
}

/** @param from tags, or `auto` @throws AppError as openRelease, pullImage and deltaOf */
export async function pushDeltas(
  context: CliContext,
  store: ImageStore,
  image: { readonly path: string; readonly pushed: PushedRelease },
  from: readonly string[],
): Promise<readonly PushedDelta[]> {
  const { progress, signal } = context;
  const { pushed } = image;
  const done: PushedDelta[] = [];
  for (const old of await sources(context, store, pushed, from)) {
    const { version } = old.release;
    const made = await progress.step(`make the delta from ${version}`, async (note) => {
      const [there] = await findDeltas(store, pushed, { from: digestOf(old), signal });
      if (there) return { from: version, bytes: there.size, is: "was-there" } as const;
      const bytes = await deltaFrom(context, store, old, image.path, note);
      if (bytes.length >= pushed.packed) return { from: version, bytes: bytes.length, is: "too-large" } as const;
      const annotations = {
        [DELTA_KEYS.from]: digestOf(old),
        [DELTA_KEYS.version]: version,
        [DELTA_KEYS.size]: String(bytes.length),
      };
      note(`${formatSize(bytes.length)} are sent`);
      const artifact = referrer({ subject: pushed.manifest, artifactType: DELTA_MEDIA, bytes, annotations, sha256 });
      await pushReferrers(store, pushed.manifest, [artifact], signal);
      return { from: version, bytes: bytes.length, is: "pushed" } as const;
    });
    if (made.is === "too-large")
      progress.note(`the delta from ${version} has ${formatSize(made.bytes)}, as much as the whole image packed: not pushed`);
    done.push(made);
  }
  return done;
}

/** SHA-256 of an image's manifest: what names it everywhere. */
const digestOf = ({ release }: FoundRelease): string => hex(sha256.digest(new TextEncoder().encode(release.manifest)));

async function sources(
  { progress, signal }: CliContext,
  store: ImageStore,
  pushed: PushedRelease,
  from: readonly string[],
): Promise<readonly FoundRelease[]> {
  const { architecture } = pushed.imageManifest;
  const found = new Map<string, FoundRelease>();
  for (const tag of from.filter((one) => one !== "auto")) {
    const old = await openRelease(store, tag, { architecture, signal });
    if (old.release.manifest === pushed.release.manifest) {
      throw new AppError("DELTA_NEEDLESS", `${store.origin}:${tag} has the image that is being pushed`, {
        hint: "Name the tag of another release with --delta-from.",
      });
    }
    found.set(digestOf(old), old);
  }
  if (from.includes("auto")) {
    const { releases, cut } = await olderReleases(store, pushed, { signal });
    if (cut) progress.note("the repository has more tags than are looked at: name those of releases with --delta-from");
    if (releases.length === 0) progress.note("no older release is there to make a delta from");
    for (const old of releases.slice(0, AUTO)) found.set(digestOf(old), old);
  }
  return [...found.values()];
}

async function deltaFrom(
  { cacheFolder, caller, run, signal }: CliContext,
  store: ImageStore,
  old: FoundRelease,
  image: string,
  note: (text: string) => void,
): Promise<Uint8Array> {
  await using work = await workDir(join(cacheFolder, "work"), caller, run);
  const path = join(work.path, "old.img");
  {
    const list = await readSegments(store, old, { signal });
    await using target = await resumableFile(path, "old", list.imageSize);
    const progress = (done: Bytes, of: Bytes): void => note(`fetch the old image: ${percent(done, of)}`);
    await pullImage({ store, found: old, list, target, unpack: zstdUnpack, progress, signal });
    await target.finish();
  }
  const output = join(work.path, "delta");
  const tell = (phase: string, done: number, total: number): void => note(`${phase}: ${percent(done, total)}`);
  await deltaOf({ old: path, new: image, output }, { run, signal }, tell);
  return await readBytes(output);
}

const percent = (done: Bytes, of: Bytes): string => `${Math.floor((done / of) * 100)} %`;
