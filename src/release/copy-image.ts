/** @portable Writes an image over a place, piece by piece. What it comes to is judged afterwards, by reading it back: verify-image.ts. */
import type { Bytes } from "../core/units.ts";
import { MAX_READ, type ImageReader } from "./image-reader.ts";

/** Of what a copy writes to: src/host/direct-write.ts. */
export interface ImageWriter {
  readonly write: (offset: Bytes, bytes: Uint8Array) => Promise<void>;
  readonly flush: () => Promise<void>;
}

export interface CopyInput {
  readonly image: ImageReader;
  readonly size: Bytes;
  readonly writer: ImageWriter;
  /** Bytes that an earlier copy has made durable. */
  readonly from: Bytes;
  readonly signal: AbortSignal;
  /** Told after each flush: whatever was written before it is on the medium. */
  readonly durable: (written: Bytes) => void;
}

/** Often enough for a cut to cost little, seldom enough for a disk to be fast. */
const FLUSH_EVERY: Bytes = 16 * MAX_READ;

/** @throws what the reader and the writer reject with; the signal's reason */
export async function copyImage({ image, size, writer, from, signal, durable }: CopyInput): Promise<void> {
  let flushed = Math.floor(from / MAX_READ) * MAX_READ;
  for (let at = flushed; at < size;) {
    signal.throwIfAborted();
    const bytes = await image.read(at, Math.min(MAX_READ, size - at));
    if (bytes.length === 0) throw new Error(`the image ends at ${at}, and should have ${size} bytes`);
    await writer.write(at, bytes);
    at += bytes.length;
    if (at - flushed < FLUSH_EVERY && at < size) continue;
    await writer.flush();
    flushed = at;
    durable(at);
  }
}
