import { KiB, type Bytes } from "../core/units.ts";
import type { ReadAt } from "../layout/gpt.ts";

const PIECE: Bytes = 16 * KiB;
/** Of one look: 8 MiB, more than any table or small file that is looked for. */
const MAX_PIECES = 512;

class PieceMissing extends Error {
  readonly piece: number;
  constructor(piece: number) {
    super(`piece ${piece} has not been read yet`);
    this.piece = piece;
  }
}

/**
 * Lets a function that reads here and there, at once, look at something that is read later: what it misses is read, and it begins again. Nothing waits for
 * a slow disk but whoever asked.
 *
 * @param read fewer bytes at the end
 * @param look has no effects but its result
 */
export async function withReads<T>(
  read: (at: Bytes, length: Bytes) => Promise<Uint8Array>,
  look: (read: ReadAt) => T,
): Promise<T> {
  const pieces = new Map<number, Uint8Array>();
  const readAt: ReadAt = (offset, length) => {
    const parts: Uint8Array[] = [];
    const end = offset + length;
    for (let at = offset; at < end;) {
      const number = Math.floor(at / PIECE);
      const piece = pieces.get(number);
      if (!piece) throw new PieceMissing(number);
      const part = piece.subarray(at - number * PIECE, end - number * PIECE);
      parts.push(part);
      at += part.length;
      if (piece.length < PIECE) break; // its end
    }
    return Buffer.concat(parts);
  };
  for (;;) {
    try {
      return look(readAt);
    } catch (error) {
      if (!(error instanceof PieceMissing)) throw error;
      if (pieces.size >= MAX_PIECES) throw new Error("more is to be read than any sound volume takes", { cause: error });
      pieces.set(error.piece, await read(error.piece * PIECE, PIECE));
    }
  }
}
