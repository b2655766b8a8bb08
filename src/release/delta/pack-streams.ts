/** @portable Packs the streams of a delta's frames. */
import type { Bytes } from "../../core/units.ts";
import { bitEncoder } from "./bit-coder.ts";
import { commandWriter } from "./commands.ts";
import { frameMemory, MAX_FRAME, type Frame, type PackedStream } from "./delta-header.ts";
import { CODED_AT_ONCE, differenceModel } from "./difference-model.ts";
import { movesOf, type Moves } from "./moves.ts";
import type { SegmentStreams } from "./segment-streams.ts";

/** Packs as zstd, as small as can be, with a window of at most 16 MiB. */
export type Pack = (bytes: Uint8Array) => Uint8Array;

export function packFrame(
  segments: readonly SegmentStreams[],
  pack: Pack,
): { readonly frame: Frame; readonly packed: readonly Uint8Array[] } {
  const writer = commandWriter();
  for (const { at, command } of segments.flatMap(({ commands }) => commands)) writer.write(at, command);
  const commands = writer.bytes();
  const start = segments[0]?.commands[0]?.at ?? 0;
  const packed = [
    packStream(commands, pack),
    packDifferences(
      segments.flatMap(({ changes }) => changes),
      () => movesOf(commands, start),
    ),
    packStream(joined(segments.flatMap(({ additions }) => additions)), pack),
  ] as const;
  const streams = [packed[0].stream, packed[1].stream, packed[2].stream] as const;
  if (frameMemory(streams) > MAX_FRAME) throw new Error(`a frame would take ${frameMemory(streams)} bytes`);
  return { frame: { segments: segments.length, streams }, packed: packed.map(({ bytes }) => bytes) };
}

interface Packed {
  readonly stream: PackedStream;
  readonly bytes: Uint8Array;
}
function packStream(bytes: Uint8Array, pack: Pack): Packed {
  const packed = pack(bytes);
  const isSmaller = packed.length < bytes.length;
  const kept = isSmaller ? packed : bytes;
  return { stream: { packing: isSmaller ? "zstd" : "plain", packed: kept.length, size: bytes.length }, bytes: kept };
}

function packDifferences(changes: SegmentStreams["changes"], moves: () => Moves): Packed {
  if (changes.length === 0) return { stream: { packing: "plain", packed: 0, size: 0 }, bytes: new Uint8Array() };
  const encoder = bitEncoder();
  const model = differenceModel(encoder, moves());
  let size = 0;
  for (const { at: to, from, old, text } of changes) {
    const target = Uint8Array.from(old);
    model.begin(from, to);
    for (let at = 0; at < target.length; at += CODED_AT_ONCE) {
      model.code(target, at, Math.min(at + CODED_AT_ONCE, target.length), text);
    }
    size += text.length;
  }
  const bytes = encoder.bytes();
  return { stream: { packing: "model", packed: bytes.length, size }, bytes };
}

export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((total: Bytes, part) => total + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
