/**
 * Works on one image, in a process of its own: it may take minutes, and must not hold up whoever asks the agent. Nothing imports this file. What to do is
 * a JSON document on its standard input (a URL may hold a password); a JSON document a line says how far it is, the last one what came of it.
 */
import { text } from "node:stream/consumers";
import { AppError } from "../core/error.ts";
import { collectBuffers } from "../host/collect-buffers.ts";
import { openDirect } from "../host/direct-read.ts";
import { imageFileOf, openFileSource, openUrlSource, type OpenedSource } from "../host/image-source.ts";
import { beIdle, dieWithParent } from "../host/linux.ts";
import { readExtents } from "../host/read-extents.ts";
import { run } from "../host/run.ts";
import { sha256 } from "../host/sha256.ts";
import { trustAuthorities } from "../host/trust-authorities.ts";
import { zstdUnpack, zstdUnpackPieces } from "../host/zstd.ts";
import { AUTHORITIES_PATH } from "../layout/authorities-path.ts";
import type { ImageSource } from "../layout/operation.ts";
import { countDownloads } from "../registry/count-downloads.ts";
import { keepDocuments, withKeptDocuments } from "../registry/kept-release.ts";
import { parseReference, type Reference } from "../registry/reference.ts";
import type { ImageStore } from "../registry/store.ts";
import { copyImage } from "../release/copy-image.ts";
import { ARCHITECTURE } from "../release/manifest.ts";
import { unsigned } from "../release/verifier.ts";
import { findManifest, verifyImage, type VerifyProgress } from "../release/verify-image.ts";
import type { ImageLine, ImageRequest, ReleaseMeans } from "./image-work.ts";
import { openPlaceWriter } from "./place-writer.ts";
import { checkRelease, inspectRelease, writeRelease, type RunningImage } from "./registry-image.ts";
import { machineStore } from "./registry-settings.ts";
import { every, workerError, type WorkerError } from "./worker.ts";

/** What is stored of it is where the next boot goes on, should this one be cut off. */
const PROGRESS_MS = 1000;
/** As people are shown: src/registry/list-releases.ts. */
const MOST_TAGS = 1000;

// An agent that was killed starts another one, for the same place.
dieWithParent();
const request = JSON.parse(await text(process.stdin)) as ImageRequest;
const stop = new AbortController();
for (const name of ["SIGTERM", "SIGINT"] as const) process.on(name, () => stop.abort());
const MEANS = { unpack: zstdUnpack, unpackPieces: zstdUnpackPieces, signal: stop.signal } as const;
const tell = (line: ImageLine | WorkerError): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

try {
  await trustAuthorities(AUTHORITIES_PATH);
  tell(await work());
} catch (error) {
  tell(workerError(error, "IMAGE_WORK_FAILED"));
}

async function work(): Promise<ImageLine> {
  switch (request.do) {
    case "inspect": {
      if (request.source.is === "registry") {
        await using running = await runningImage(request.means);
        using release = await storeOf(request.source.reference, request.means);
        const { judgement } = request;
        return { inspected: await inspectRelease({ ...release, ...running, judgement, signal: stop.signal }) };
      }
      const source = await located(request.source);
      await using image = await opened(source);
      const { manifest, bytes, digest } = await findManifest(image, sha256);
      const { name, version, kernel, created, architecture, sizes, machineConfig } = manifest;
      const { says } = await unsigned.verify(manifest, bytes);
      const summary = { name, version, digest, size: sizes.image };
      return {
        inspected: {
          image: summary,
          source,
          kernel,
          created,
          architecture,
          ...(machineConfig && { machineConfig }),
          trust: says,
        },
      };
    }
    case "tags": {
      using named = await storeOf(request.reference, request.means);
      const tags: string[] = [];
      for await (const tag of named.store.tags({ signal: stop.signal })) if (tags.push(tag) >= MOST_TAGS) break;
      return { tags };
    }
    case "check": {
      if (request.source.is === "registry") {
        using release = await storeOf(request.source.reference, request.means);
        const tellChecked = every(PROGRESS_MS, (far: { readonly done: number; readonly total: number }) =>
          tell({ ...far, position: far.done }),
        );
        const { digest } = request;
        return verdictLine(await checkRelease({ ...release, digest, progress: tellChecked, ...MEANS }));
      }
      await using image = await opened(request.source);
      return await verify(image, request.digest, 0);
    }
    case "verify": {
      if (request.priority === "idle") beIdle();
      await using image = await openDirect(request.path);
      return await verify(image, request.digest, request.from);
    }
    case "write": {
      if (request.source.is === "registry") return await writeFrom(request.source.reference, request);
      await using image = await opened(request.source);
      const { digest } = await findManifest(image, sha256);
      if (digest !== request.digest)
        throw new AppError("IMAGE_CHANGED", "the source has another image by now: nothing was written");
      await using writer = await openPlaceWriter(request.device, request.extents);
      const tellWritten = every(PROGRESS_MS, (written: number) => tell({ written }));
      await copyImage({ image, size: request.size, writer, from: request.from, signal: stop.signal, durable: tellWritten });
      return { written: request.size, done: true };
    }
  }
}

async function writeFrom(
  reference: string,
  { device, extents, digest, size, keep = false, means }: Extract<ImageRequest, { readonly do: "write" }>,
): Promise<ImageLine> {
  await using running = await runningImage(means);
  using release = await storeOf(reference, means);
  await using reader = await openDirect(device);
  await using writer = await openPlaceWriter(device, extents);
  const tellWritten = every(PROGRESS_MS, tell);
  const downloaded = await writeRelease({
    ...{ ...release, ...running, digest, writer, place: readExtents(reader, extents) },
    ...MEANS,
    turn: async () => await new Promise((resolve) => setImmediate(resolve)),
    written: (written, soFar) => tellWritten({ written, downloaded: soFar }),
    way: (way) => tell({ way }),
  });
  const { digest: index } = release.reference;
  if (keep && means.kept !== undefined && index !== undefined) {
    const options = { architecture: ARCHITECTURE, signal: stop.signal };
    // Without them the source is asked again.
    await keepDocuments(release.store, index, means.kept, options).catch(() => {});
  }
  return { written: size, downloaded, done: true };
}

/** Where it cannot be read, an update needs more bytes: it is no reason to do without. */
async function runningImage({
  running: path,
}: ReleaseMeans): Promise<{ readonly running: RunningImage | undefined } & AsyncDisposable> {
  const none = { running: undefined, [Symbol.asyncDispose]: async () => {} };
  if (path === undefined) return none;
  try {
    await using scope = new AsyncDisposableStack();
    const image = scope.use(await openDirect(path));
    const found = await findManifest(image, sha256);
    const kept = scope.move();
    return { running: { image, found }, [Symbol.asyncDispose]: async () => await kept.disposeAsync() };
  } catch {
    return none;
  }
}

async function storeOf(
  name: string,
  { proxies, bandwidth, kept }: ReleaseMeans,
): Promise<{ readonly store: ImageStore; readonly reference: Reference } & Disposable> {
  const reference = parseReference(name);
  const scope = await machineStore(reference, {
    ...{ run, proxies, random: Math.random, now: () => performance.now() },
    ...(bandwidth !== undefined && { bandwidth }),
  });
  const { digest } = reference;
  const coming = countDownloads(scope.store, collectBuffers());
  const store = kept === undefined || digest === undefined ? coming : await withKeptDocuments(coming, digest, kept);
  return { store, reference, [Symbol.dispose]: () => scope[Symbol.dispose]() };
}

async function verify(image: OpenedSource, digest: string | undefined, from: number): Promise<ImageLine> {
  const progress = every(PROGRESS_MS, ({ done, total, position }: VerifyProgress) => tell({ done, total, position }));
  const verdict = await verifyImage({ image, sha256, digest, from, signal: stop.signal, progress });
  return verdictLine(verdict.ok ? undefined : verdict.damage.what);
}
function verdictLine(damage: string | undefined): ImageLine {
  return damage === undefined ? { whole: true } : { whole: false, damage };
}

async function located(source: ImageSource): Promise<ImageSource> {
  return source.is === "file" ? { is: "file", path: await imageFileOf(source.path) } : source;
}

async function opened(source: ImageSource): Promise<OpenedSource> {
  if (source.is === "url") return await openUrlSource(source.url, stop.signal);
  if (source.is === "file") return await openFileSource(source.path);
  throw new Error(`the agent does not name an image of this kind: ${source.is}`);
}
