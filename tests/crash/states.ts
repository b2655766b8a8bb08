/** Every disk that a power cut could have left of a log, one after the other. */
import type { Bytes } from "../../src/core/units.ts";
import type { BlockMap } from "./block-map.ts";
import { epochsOf, piecesOf, survivors, type Epoch, type Piece, type Survivors, type Write } from "./power-cut.ts";
import type { LogEntry } from "./recorder.ts";

export interface State {
  /** Of the log, from 0. */
  readonly number: number;
  readonly epoch: Epoch;
  /** The writes that were not durable, and which of them survived: a phrase each. */
  readonly survived: () => readonly string[];
}

export interface StateChoice {
  /** What a disk writes as a whole, by offset. */
  readonly tear: (offset: Bytes) => Bytes;
  /** Data that takes part in less. */
  readonly isBulk: (write: Write) => boolean;
  /** Name of the place of an offset, and where that begins. */
  readonly placeOf: (offset: Bytes) => { readonly name: string; readonly start: Bytes };
  /** 0 ≤ x < 1 */
  readonly random: () => number;
  /** At most so many of each epoch. */
  readonly limit: number;
}

/** The disk is in the state that is yielded until the next one is asked for; at the end everything has been written. */
export function* statesOf(
  disk: Pick<BlockMap, "read" | "apply">,
  log: readonly LogEntry[],
  { tear, isBulk, placeOf, random, limit }: StateChoice,
): Generator<State> {
  for (const [number, epoch] of epochsOf(log).entries()) {
    disk.apply(epoch.durable);
    const pieces = epoch.pool.map((write) => changing(disk, piecesOf(write, tear), epoch.pool));
    const choice = { pieces: pieces.map(({ length }) => length), bulk: epoch.pool.map(isBulk), random, limit };
    for (const survived of survivors(choice)) {
      const takeBack = disk.apply(piecesThatSurvived(pieces, survived));
      yield {
        ...{ number, epoch },
        survived: () => (survived.length === 0 ? ["nothing"] : survived.map(describe(epoch, pieces, placeOf))),
      };
      takeBack();
    }
  }
}

/** A piece that is on the disk already makes no difference, unless something else is written there as well. */
function changing(disk: Pick<BlockMap, "read">, pieces: readonly Piece[], pool: readonly Write[]): readonly Piece[] {
  const [first, last] = [pieces[0], pieces.at(-1)];
  if (!first || !last) return [];
  const end = last.offset + last.data.length;
  const others = pool.filter((write) => first.offset < write.offset + write.data.length && write.offset < end);
  return pieces.filter(({ offset, data }) => {
    const overlap = others.filter((write) => offset < write.offset + write.data.length && write.offset < offset + data.length);
    return overlap.length > 1 || Buffer.compare(disk.read(offset, data.length), data) !== 0;
  });
}

const piecesThatSurvived = (pieces: readonly (readonly Piece[])[], survived: Survivors): readonly Piece[] =>
  survived.flatMap(({ write, pieces: chosen }) => (chosen ? chosen.map((piece) => pieces[write]![piece]!) : pieces[write]!));

const describe =
  ({ pool }: Epoch, all: readonly (readonly Piece[])[], placeOf: StateChoice["placeOf"]) =>
  ({ write, pieces }: Survivors[number]): string => {
    const { offset, data } = pool[write]!;
    const { name, start } = placeOf(offset);
    const torn = pieces ? ` (of it: ${pieces.map((piece) => all[write]![piece]!.offset - start).join(" ")})` : "";
    return `${name}+${offset - start}: ${data.length} bytes${torn}`;
  };
