/** zstd as Node has it (RFC 8878), with bounds for what comes from elsewhere. */
import { availableParallelism } from "node:os";
import { promisify } from "node:util";
import {
  constants,
  createZstdDecompress,
  zstdCompress,
  zstdCompressSync,
  zstdDecompress,
  zstdDecompressSync,
  type ZstdDecompress,
} from "node:zlib";
import { giveBack } from "../core/give-back.ts";
import { MiB, type Bytes } from "../core/units.ts";

/** A window of 16 MiB: what unpacks it holds so much, and no more is accepted. */
const WINDOW_BITS = 24;

/** Of what is packed as it is already, such as a kernel, a larger window finds no more; and who unpacks holds all of it. */
const NEAR_BITS = 20;
/** A window of 16 MiB has to save so much of the bytes. */
const WORTH = 1 / 256;

/** As small as can be but for what a much smaller window costs, slowly: some 2 MiB a second, and half of that for more than a MiB. */
export function zstdPack(bytes: Uint8Array): Uint8Array {
  const near = packWithin(bytes, NEAR_BITS);
  if (bytes.length <= 2 ** NEAR_BITS) return near;
  const far = packWithin(bytes, WINDOW_BITS);
  return far.length < near.length * (1 - WORTH) ? far : near;
}
const packWithin = (bytes: Uint8Array, windowBits: number): Uint8Array =>
  zstdCompressSync(bytes, {
    params: {
      [constants.ZSTD_c_compressionLevel]: 22,
      [constants.ZSTD_c_windowLog]: windowBits,
      [constants.ZSTD_c_checksumFlag]: 0,
    },
  });

/** For comparing sizes. */
export const zstdQuickPack = (bytes: Uint8Array): Uint8Array =>
  zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: 3 } });

const compress = promisify(zstdCompress);
/** One on each core; more wait for one of the threads that Node has for such work. Source: libuv, "Thread pool work scheduling" */
export const PACKERS_AT_ONCE: number = Math.min(availableParallelism(), 4);

/** A segment of an image, at level 19: some 3 MiB a second, in another thread. */
export const zstdPackSegment = async (bytes: Uint8Array): Promise<Uint8Array> =>
  await compress(bytes, {
    params: {
      [constants.ZSTD_c_compressionLevel]: 19,
      [constants.ZSTD_c_windowLog]: WINDOW_BITS,
      [constants.ZSTD_c_checksumFlag]: 0,
      [constants.ZSTD_c_contentSizeFlag]: 1,
    },
  });

const decompress = promisify(zstdDecompress);
/** Of this and less, all comes into one piece of memory: many pieces take twice the time, and are there a second time when they are put together. */
const ONE_PIECE: Bytes = 16 * MiB;
/** A piece that is filled to its last byte is followed by another one. */
const ROOM: Bytes = 64;

const params = { [constants.ZSTD_d_windowLogMax]: WINDOW_BITS };

/** @throws NodeJS.ErrnoException when `packed` is no zstd, is cut short, comes to more than `limit` bytes, or wants a window of more than 16 MiB */
export const zstdUnpack = async (packed: Uint8Array, limit: Bytes): Promise<Uint8Array> =>
  await decompress(packed, unpackOptions(limit));
/** The same, in a thread that has nothing else to do. */
export const zstdUnpackNow = (packed: Uint8Array, limit: Bytes): Uint8Array => zstdDecompressSync(packed, unpackOptions(limit));

const unpackOptions = (limit: Bytes) => ({
  ...{ maxOutputLength: Math.max(1, limit), chunkSize: Math.min(limit, ONE_PIECE) + ROOM, params },
});

/**
 * Unpacks what comes as it is asked for: neither side is there as a whole.
 *
 * @param packed each piece may be gone when the next is asked for
 * @returns pieces that are good until the next is asked for
 * @throws NodeJS.ErrnoException as {@link zstdUnpack}, without a limit; what `packed` rejects with
 */
export async function* zstdUnpackPieces(packed: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const unpacker = createZstdDecompress({ params, chunkSize: OUTPUT });
  const fed = feed(unpacker, packed).catch((error: Error) => void unpacker.destroy(error));
  try {
    for await (const piece of unpacker as AsyncIterable<Uint8Array>) {
      yield piece;
      // The last of its memory: the collector would let it lie until there is much more.
      if (piece.byteOffset + piece.length === OUTPUT) giveBack(piece);
    }
  } finally {
    unpacker.destroy();
    await fed;
  }
}
/** Memory that is filled before it is given out again. */
const OUTPUT: Bytes = MiB;

/** Each piece is taken in before the next is asked for. */
async function feed(unpacker: ZstdDecompress, packed: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const piece of packed) {
    if (unpacker.destroyed) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    unpacker.once("close", resolve).write(piece, (error) => (error ? reject(error) : resolve()));
    await promise;
    unpacker.off("close", resolve);
  }
  unpacker.end();
}
