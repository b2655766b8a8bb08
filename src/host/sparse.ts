import { createReadStream } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { MiB, type Bytes } from "../core/units.ts";
import type { Patch, Piece } from "../layout/patch.ts";

const BLOCK: Bytes = 4096;
const ZEROS = new Uint8Array(BLOCK);

/** Writes each patch at its place; the file keeps its length unless a patch ends beyond it. */
export async function writePatches(path: string, patches: readonly Patch[]): Promise<void> {
  await using file = await open(path, "r+");
  for (const { offset, data } of patches) await writeWhole(file, data, offset);
}

/**
 * Copies pieces of one file into another that is zero there: 4 KiB blocks of zeros are passed over and stay holes.
 *
 * @throws the signal's reason when aborted; NodeJS.ErrnoException `ENOSPC` …
 */
export async function copySparse(source: string, target: string, pieces: readonly Piece[], signal?: AbortSignal): Promise<void> {
  await using file = await open(target, "r+");
  for (const { from, length, to } of pieces) {
    if (length === 0) continue;
    let at = to;
    const stream = createReadStream(source, { start: from, end: from + length - 1, highWaterMark: MiB });
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      signal?.throwIfAborted();
      for (const [start, end] of runsOfData(chunk)) await writeWhole(file, chunk.subarray(start, end), at + start);
      at += chunk.length;
    }
    if (at !== to + length) throw new Error(`${source} ended ${to + length - at} bytes early`);
  }
}

/** Start and end of each run of blocks that are not all zero. */
export function runsOfData(bytes: Uint8Array): [start: number, end: number][] {
  const runs: [number, number][] = [];
  for (let start = 0; start < bytes.length; start += BLOCK) {
    const end = Math.min(start + BLOCK, bytes.length);
    if (Buffer.compare(bytes.subarray(start, end), ZEROS.subarray(0, end - start)) === 0) continue;
    const last = runs.at(-1);
    if (last?.[1] === start) last[1] = end;
    else runs.push([start, end]);
  }
  return runs;
}

async function writeWhole(file: FileHandle, data: Uint8Array, offset: Bytes): Promise<void> {
  for (let done = 0; done < data.length;) {
    done += (await file.write(data, done, data.length - done, offset + done)).bytesWritten;
  }
}
