/** @portable What to do for each run of bytes of the new image, as numbers of variable length (LEB128). Format: docs/formats/delta.md. */
import type { Bytes } from "../../core/units.ts";
import { damaged } from "./delta-header.ts";

/** Take old bytes as they are, take them and add differences, take new bytes, take zeros. */
export type Command =
  | { readonly kind: "copy" | "change"; readonly length: Bytes; readonly from: Bytes }
  | { readonly kind: "add" | "zero"; readonly length: Bytes; readonly from?: undefined };

const KINDS = ["copy", "change", "add", "zero"] as const;

/** Appends commands. Where old bytes lie is told by how much further off than the last time: most of an image moved as one. */
export interface CommandWriter {
  /** @param at where in the new image, what is omitted not counted */
  readonly write: (at: Bytes, command: Command) => void;
  readonly bytes: () => Uint8Array;
}

export function commandWriter(): CommandWriter {
  const bytes: number[] = [];
  let distance = 0;
  const number = (value: number): void => {
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
    bytes.push(rest);
  };
  return {
    write: (at, command) => {
      number(command.length * 4 + KINDS.indexOf(command.kind));
      if (command.from === undefined) return;
      const moved = command.from - at - distance;
      number(moved < 0 ? -moved * 2 - 1 : moved * 2);
      distance += moved;
    },
    bytes: () => Uint8Array.from(bytes),
  };
}

export interface CommandReader {
  /**
   * @param at where in the new image the command's bytes go
   * @throws AppError `DELTA_INVALID` when there is none, or it is not written as {@link commandWriter} would
   */
  readonly next: (at: Bytes) => Command;
  readonly isAtEnd: () => boolean;
}

export function commandReader(bytes: Uint8Array): CommandReader {
  let position = 0;
  let distance = 0;
  const number = (): number => {
    let value = 0;
    for (let unit = 1; ; unit *= 128) {
      const byte = bytes[position++];
      if (byte === undefined) throw damaged("its commands end too early");
      value += (byte % 128) * unit;
      if (!Number.isSafeInteger(value)) throw damaged("a number is too large");
      if (byte < 128) {
        if (byte === 0 && unit > 1) throw damaged("a number is written longer than it is");
        return value;
      }
    }
  };
  return {
    next: (at) => {
      const word = number();
      const kind = KINDS[word % 4]!;
      const length = Math.floor(word / 4);
      if (length === 0) throw damaged("a command does nothing");
      if (kind === "add" || kind === "zero") return { kind, length };
      const moved = number();
      distance += moved % 2 === 1 ? -(moved + 1) / 2 : moved / 2;
      return { kind, length, from: at + distance };
    },
    isAtEnd: () => position === bytes.length,
  };
}
