/** @portable Where the bytes of the old image have gone, as far as a frame's commands tell: both sides know them before any difference. */
import type { Bytes } from "../../core/units.ts";
import { commandReader } from "./commands.ts";

/** Runs of old bytes, in ascending order. They may overlap, and nothing says that they lie within an image. */
export interface Moves {
  /** Where each begins in the old image. */
  readonly from: Float64Array;
  /** How much further on it lies in the new image, what is omitted not counted; negative when before. */
  readonly by: Float64Array;
}

/** Shorter runs are not remembered, nor those after so many: whoever makes up a delta must not fill the memory. */
const LEAST: Bytes = 32;
const MOST = 65_536;

/**
 * Memory: 2 MiB, and the commands.
 *
 * @param start where in the new image the frame begins, what is omitted not counted
 * @throws AppError `DELTA_INVALID` as {@link commandReader}
 */
export function movesOf(commands: Uint8Array, start: Bytes): Moves {
  const reader = commandReader(commands);
  const [from, by]: [number[], number[]] = [[], []];
  for (let at = start; from.length < MOST && !reader.isAtEnd();) {
    const command = reader.next(at);
    if (command.from !== undefined && command.length >= LEAST) {
      from.push(command.from);
      by.push(at - command.from);
    }
    at += command.length;
  }
  // Of runs that begin at the same place, the one that comes first in the new image comes first.
  const order = Uint32Array.from(from, (_, index) => index).sort((a, b) => from[a]! - from[b]! || a - b);
  return { from: Float64Array.from(order, (index) => from[index]!), by: Float64Array.from(order, (index) => by[index]!) };
}

/** By how much the last run that begins at or before a place of the old image moved: its end is not looked at, since what follows moves along. */
export function movedBy({ from, by }: Moves, place: Bytes): number | undefined {
  let [low, high] = [0, from.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (from[middle]! <= place) low = middle + 1;
    else high = middle;
  }
  return by[low - 1];
}
