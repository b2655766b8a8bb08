/** @portable Makes a new image of an old one and a delta, in order and in bounded memory, segment by segment, each verified before it is written. */
import type { Sha256 } from "../../core/digest.ts";
import { AppError } from "../../core/error.ts";
import { giveBack } from "../../core/give-back.ts";
import { KiB, type Bytes } from "../../core/units.ts";
import { MAX_READ } from "../image-reader.ts";
import { bitDecoder } from "./bit-coder.ts";
import { commandReader, type Command } from "./commands.ts";
import {
  coveredSize,
  damaged,
  decodeDeltaHeader,
  DELTA_PREFIX,
  deltaHeaderSize,
  frameSize,
  isEqual,
  type DeltaHeader,
  type Frame,
  type PackedStream,
} from "./delta-header.ts";
import { CODED_AT_ONCE, differenceModel } from "./difference-model.ts";
import { movesOf } from "./moves.ts";

/** Bytes by position; fewer than asked for only where they end. They may be in a buffer of the reader's own, good until the next read. */
export interface PositionReader {
  readonly size: Bytes;
  readonly read: (offset: Bytes, length: Bytes) => Promise<Uint8Array>;
}
/** Unpacks zstd. */
export type Unpack = (packed: Uint8Array, limit: Bytes) => Promise<Uint8Array>;
/** Unpacks zstd as it comes, no more than is asked for. A packed piece is good until the next is asked for. */
export type UnpackPieces = (packed: AsyncIterable<Uint8Array>) => AsyncGenerator<Uint8Array>;

export interface ApplyInput {
  /** May be longer than the image, as a slot is. Asked for at most {@link MAX_READ} at once. */
  readonly old: PositionReader;
  /** Read in order, each byte once; from the frame on that holds segment {@link from}. */
  readonly delta: PositionReader;
  readonly sha256: Sha256;
  /** @throws when what comes is no zstd, is cut short, or needs a window of more than 16 MiB */
  readonly unpack: UnpackPieces;
  /** Told verified bytes, with what is omitted left out, in ascending order. They are good until it resolves. */
  readonly write: (offset: Bytes, bytes: Uint8Array) => Promise<void>;
  /** Segments that have been written and are durable: they are not made again. */
  readonly from: number;
  /** Awaited after each segment, when it has been written: how many there are, and it as a whole, good until the next one. */
  readonly done: (segments: number, segment: Uint8Array) => Promise<void> | void;
  /** Awaited after each {@link CODED_AT_ONCE} of differences, some 20 ms: others get their turn. */
  readonly turn?: () => Promise<void>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The head of a delta, for deciding whether to apply it.
 *
 * @throws AppError `DELTA_INVALID`, `DELTA_NEWER`; what `read` rejects with
 */
export async function readDeltaHeader(delta: PositionReader, sha256: Sha256): Promise<DeltaHeader> {
  const size = deltaHeaderSize(await readWhole(delta, 0, Math.min(DELTA_PREFIX, delta.size)));
  if (size > delta.size) throw damaged("it ends too early");
  return decodeDeltaHeader(await readWhole(delta, 0, size), delta.size, sha256);
}

/**
 * Memory: commands and differences of a frame, a segment, a read: 12 + 8 + 1 MiB at the most, 12 MiB for the model, and what unpacking takes, its window
 * of up to 16 MiB. What a frame adds comes as it is needed.
 * What is omitted is not written. That the old image is the right one is seen from the digests of the segments.
 *
 * @throws AppError `DELTA_INVALID` for a delta that is not sound, `DELTA_OTHER_IMAGE` when a segment does not become what it should; the
 *   signal's reason; what `read` and `write` reject with
 */
export async function applyDelta(header: DeltaHeader, input: ApplyInput): Promise<void> {
  const { old, delta, unpack, signal, from } = input;
  if (old.size < header.oldSize) throw otherImage("the old image is shorter than the delta's");
  using scope = new DisposableStack();
  const segment = scope.adopt(new Uint8Array(header.segmentSize), giveBack); // for all frames: a collector would let one of each lie
  let first = 0;
  let at = delta.size - header.frames.reduce((size, frame) => size + frameSize(frame), 0);
  for (const frame of header.frames) {
    signal?.throwIfAborted();
    if (first + frame.segments > from) {
      await using streams = await readFrame(delta, at, frame, unpack);
      await applyFrame(header, frame, { first, segment, streams }, input);
    }
    first += frame.segments;
    at += frameSize(frame);
  }
}

interface FrameReader extends AsyncDisposable {
  readonly commands: Uint8Array;
  /** Packed. */
  readonly differences: Uint8Array;
  readonly additions: PieceReader;
}

/** Its streams, which lie one behind the other: the first two at once, and the last as it is asked for. */
async function readFrame(delta: PositionReader, start: Bytes, { streams }: Frame, unpack: UnpackPieces): Promise<FrameReader> {
  const [first, second, third] = streams;
  const streamAt = (at: Bytes, { packing, packed, size }: PackedStream): PieceReader =>
    pieceReader(
      packing === "zstd" ? unpack(piecesOf(delta, at, packed)) : piecesOf(delta, at, packed),
      packing === "model" ? packed : size,
    );
  const whole = async (at: Bytes, stream: PackedStream): Promise<Uint8Array> => {
    await using reader = streamAt(at, stream);
    const bytes = new Uint8Array(stream.packing === "model" ? stream.packed : stream.size);
    await reader.take(bytes);
    if (!(await reader.isAtEnd())) throw otherSize();
    return bytes;
  };
  const commands = await whole(start, first);
  const differences = await whole(start + first.packed, second);
  const additions = streamAt(start + first.packed + second.packed, third);
  return {
    ...{ commands, differences, additions },
    [Symbol.asyncDispose]: async () => {
      for (const stream of [commands, differences]) giveBack(stream);
      await additions[Symbol.asyncDispose]();
    },
  };
}

/** What goes wrong with reading is told as it is, and not as a stream that cannot be unpacked. */
class Unread extends Error {}

async function* piecesOf({ read }: PositionReader, start: Bytes, size: Bytes): AsyncGenerator<Uint8Array> {
  for (let done = 0; done < size;) {
    const bytes = await read(start + done, Math.min(PIECE, size - done)).catch((cause: unknown) => {
      throw new Unread("it cannot be read", { cause });
    });
    if (bytes.length === 0) throw new Unread("it ends too early", { cause: damaged("it ends too early") });
    done += bytes.length;
    yield bytes;
  }
}
const PIECE: Bytes = 256 * KiB;

interface PieceReader extends AsyncDisposable {
  /** Fills it. @throws AppError `DELTA_INVALID` when there is less */
  readonly take: (target: Uint8Array) => Promise<void>;
  readonly isAtEnd: () => Promise<boolean>;
}

/** @param size what it has to come to */
function pieceReader(pieces: AsyncGenerator<Uint8Array>, size: Bytes): PieceReader {
  let piece: Uint8Array = new Uint8Array();
  let left = size;
  const more = async (): Promise<boolean> => {
    while (piece.length === 0) {
      const { done, value } = await pieces.next().catch((cause: unknown) => {
        throw cause instanceof Unread ? cause.cause : damaged("a stream cannot be unpacked", cause);
      });
      if (done) return false;
      if (value.length > left) throw otherSize();
      left -= value.length;
      piece = value;
    }
    return true;
  };
  return {
    take: async (target) => {
      for (let done = 0; done < target.length;) {
        if (!(await more())) throw damaged("a stream ends too early");
        const part = piece.subarray(0, target.length - done);
        target.set(part, done);
        done += part.length;
        piece = piece.subarray(part.length);
      }
    },
    isAtEnd: async () => {
      if (await more()) return false;
      if (left > 0) throw otherSize();
      return true;
    },
    [Symbol.asyncDispose]: async () => void (await pieces.return(undefined)),
  };
}
const otherSize = (): AppError => damaged("a stream has another size than the head says");

interface FrameMeans {
  /** Of its segments. */
  readonly first: number;
  /** Where each of them is made. */
  readonly segment: Uint8Array;
  readonly streams: FrameReader;
}
async function applyFrame(
  header: DeltaHeader,
  frame: Frame,
  { first, segment, streams }: FrameMeans,
  input: ApplyInput,
): Promise<void> {
  const { differences, additions } = streams;
  const commands = commandReader(streams.commands);
  const change = differenceReader(frame.streams[1].size, differences, streams.commands, first * header.segmentSize, input);
  using scope = new DisposableStack();
  scope.defer(change.release);

  for (let number = first; number < first + frame.segments; number++) {
    input.signal?.throwIfAborted();
    const start = number * header.segmentSize;
    const size = Math.min(header.segmentSize, coveredSize(header) - start);
    const isWanted = number >= input.from;
    for (let filled = 0; filled < size;) {
      const command = commands.next(start + filled);
      checkCommand(command, size - filled, header);
      const target = segment.subarray(filled, filled + command.length);
      filled += command.length;
      if (command.kind === "add") {
        await additions.take(target);
      } else if (command.from === undefined) {
        target.fill(0);
      } else {
        if (isWanted || command.kind === "change") await readInto(input.old, command.from, target);
        if (command.kind === "change") await change.apply(target, command.from, start + filled - command.length);
      }
    }
    if (!isWanted) continue;
    const bytes = segment.subarray(0, size);
    if (!isEqual(input.sha256.digest(bytes), header.segments[number]!)) {
      throw otherImage(`segment ${number} does not become what the delta says`);
    }
    await writeCovered(header, start, bytes, input.write);
    await input.done(number + 1, bytes);
  }
  if (!commands.isAtEnd() || !change.isAtEnd() || !(await additions.isAtEnd())) {
    throw damaged("a frame has more than its segments need");
  }
}

interface DifferenceReader {
  /** Old bytes, which lie at `from`, become new ones, which lie at `to`, what is omitted not counted. */
  readonly apply: (target: Uint8Array, from: Bytes, to: Bytes) => Promise<void>;
  readonly isAtEnd: () => boolean;
  /** What comes after it needs the memory of its model. */
  readonly release: () => void;
}
function differenceReader(
  size: Bytes,
  packed: Uint8Array,
  commands: Uint8Array,
  start: Bytes,
  { turn, signal }: ApplyInput,
): DifferenceReader {
  if (size === 0) {
    const none = async (): Promise<void> => await Promise.reject(damaged("a stream ends too early"));
    return { apply: none, isAtEnd: () => true, release: () => {} };
  }
  const decoder = bitDecoder(packed);
  const model = differenceModel(decoder, movesOf(commands, start));
  let left = size;
  let sinceTurn = 0;
  return {
    apply: async (target, from, to) => {
      if (target.length > left) throw damaged("a stream ends too early");
      left -= target.length;
      model.begin(from, to);
      for (let at = 0; at < target.length; at += CODED_AT_ONCE) {
        const end = Math.min(at + CODED_AT_ONCE, target.length);
        model.code(target, at, end);
        sinceTurn += end - at;
        if (sinceTurn < CODED_AT_ONCE) continue;
        sinceTurn = 0;
        await turn?.();
        signal?.throwIfAborted();
      }
    },
    isAtEnd: () => left === 0 && decoder.isAtEnd(),
    release: model.release,
  };
}

function checkCommand(command: Command, room: Bytes, { oldSize }: DeltaHeader): void {
  if (command.length > room) throw damaged("a command leads out of its segment");
  if (command.from !== undefined && (command.from < 0 || command.from + command.length > oldSize)) {
    throw damaged("a command leads out of the old image");
  }
}

/** Segments lie end to end as if nothing were omitted: one may have to be written in two parts. */
async function writeCovered(
  { omitted }: DeltaHeader,
  start: Bytes,
  bytes: Uint8Array,
  write: ApplyInput["write"],
): Promise<void> {
  const before = Math.min(Math.max(omitted.start - start, 0), bytes.length);
  if (before > 0) await write(start, bytes.subarray(0, before));
  if (before < bytes.length) await write(start + before + omitted.size, bytes.subarray(before));
}

async function readInto({ read }: PositionReader, from: Bytes, target: Uint8Array): Promise<void> {
  for (let done = 0; done < target.length;) {
    const bytes = await read(from + done, Math.min(MAX_READ, target.length - done));
    if (bytes.length === 0) throw otherImage("the old image ends too early");
    target.set(bytes, done);
    done += bytes.length;
  }
}

async function readWhole({ read }: PositionReader, offset: Bytes, length: Bytes): Promise<Uint8Array> {
  const whole = new Uint8Array(length);
  for (let done = 0; done < length;) {
    const bytes = await read(offset + done, Math.min(MAX_READ, length - done));
    if (bytes.length === 0) throw damaged("it ends too early");
    whole.set(bytes, done);
    done += bytes.length;
  }
  return whole;
}

/** The delta is sound as far as can be seen, but the bytes that it is applied to, or its own, are not those that it was made with. */
const otherImage = (why: string): AppError =>
  new AppError("DELTA_OTHER_IMAGE", `the delta cannot be applied: ${why}`, {
    hint: "Take another delta, or the whole image.",
  });
