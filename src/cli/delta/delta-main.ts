/**
 * Makes a delta, in a process of its own: comparing computes for minutes without a pause. Nothing imports this file. What to do is a JSON document on its
 * standard input; a JSON document a line says how far it is, the last one what came of it.
 */
import { text } from "node:stream/consumers";
import { every, workerError, type WorkerError } from "../../agent/worker.ts";
import { AppError } from "../../core/error.ts";
import { MiB, type Bytes } from "../../core/units.ts";
import type { ImageFile } from "../../host/image-file.ts";
import { dieWithParent } from "../../host/linux.ts";
import { sha256 } from "../../host/sha256.ts";
import { writeBytes } from "../../host/write-bytes.ts";
import { zstdPack, zstdPackSegment, zstdQuickPack, zstdUnpackPieces } from "../../host/zstd.ts";
import { imagePieces } from "../../release/delta/image-pieces.ts";
import { makeDelta } from "../../release/delta/make-delta.ts";
import { verifyImage } from "../../release/verify-image.ts";
import { endOf, openEnd, readerOf, refuseUnrelated } from "./images.ts";
import type { DeltaLine, DeltaPhase, DeltaRequest, MadeDeltaFile } from "./work.ts";

const PROGRESS_MS = 250;
const SEGMENT: Bytes = 4 * MiB;

dieWithParent();
const request = JSON.parse(await text(process.stdin)) as DeltaRequest;
const tell = (line: DeltaLine | WorkerError): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
const sometimes = every<DeltaLine>(PROGRESS_MS, tell);
const progress = (phase: DeltaPhase, done: number, total: number): void => sometimes({ phase, done, total });

try {
  tell({ made: await make(request) });
} catch (error) {
  tell(workerError(error, "DELTA_FAILED"));
}

async function make({ old: from, new: to, output, compare = false }: DeltaRequest): Promise<MadeDeltaFile> {
  using old = openEnd(from);
  using wanted = openEnd(to);
  const [before, after] = [await endOf(from, old), await endOf(to, wanted)];
  refuseUnrelated(before, after);
  await check(from, old);
  await check(to, wanted);
  const { bytes, explanation } = await makeDelta({
    ...{
      old: { image: old, digest: Buffer.from(before.digest, "hex") },
      new: { image: wanted, digest: Buffer.from(after.digest, "hex") },
    },
    ...{
      sha256,
      pack: zstdPack,
      quickPack: zstdQuickPack,
      unpack: zstdUnpackPieces,
      limit: compare,
      segmentSize: SEGMENT,
      progress,
    },
  });
  if (output !== undefined) await writeBytes(output, [bytes]);
  return { from: before, to: after, explanation, ...(compare ? { full: await packedSize(wanted) } : {}) };
}

async function check(path: string, image: ImageFile): Promise<void> {
  const verdict = await verifyImage({
    ...{ image: readerOf(image), sha256 },
    progress: ({ done, total }) => progress("checking", done, total),
  });
  if (verdict.ok) return;
  throw new AppError("IMAGE_DAMAGED", `${path} is damaged: ${verdict.damage.what}`, { hint: "Fetch or build it again." });
}

/** As `petrify push` cuts and packs it. */
async function packedSize(image: ImageFile): Promise<Bytes> {
  const { omitted } = imagePieces(image);
  const size = image.size - omitted.size;
  const seen = new Map<string, Bytes>();
  for (let start = 0; start < size; start += SEGMENT) {
    const length = Math.min(SEGMENT, size - start);
    const before = Math.max(0, Math.min(length, omitted.start - start));
    const bytes = Buffer.concat([image.read(start, before), image.read(start + before + omitted.size, length - before)]);
    if (bytes.every((byte) => byte === 0)) continue;
    const key = Buffer.from(sha256.digest(bytes)).toString("hex");
    if (!seen.has(key)) seen.set(key, (await zstdPackSegment(bytes)).length);
    progress("packing all of it", start + length, size);
  }
  return [...seen.values()].reduce((total, packed) => total + packed, 0);
}
