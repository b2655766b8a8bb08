/** @portable Arithmetic coding of bits, each with the chance that it is 1. Source: Mahoney, "Data Compression Explained", 4.1 and the coder of lpaq1. */
import { damaged } from "./delta-header.ts";

/** Encodes the bit that it is given, or ignores it; returns the bit that it encoded or decoded. So one model does both. */
export interface BitCoder {
  /** @param chance that the bit is 1, of 65536: 1 – 65535 */
  readonly code: (bit: number, chance: number) => number;
}

export interface BitEncoder extends BitCoder {
  /** Once, at the end. */
  readonly bytes: () => Uint8Array;
}

export function bitEncoder(): BitEncoder {
  const bytes: number[] = [];
  let [low, high] = [0, 0xffff_ffff];
  return {
    code: (bit, chance) => {
      const middle = split(low, high, chance);
      if (bit === 1) high = middle;
      else low = middle + 1;
      while (((low ^ high) & 0xff00_0000) === 0) {
        bytes.push(high >>> 24);
        low = (low << 8) >>> 0;
        high = ((high << 8) | 255) >>> 0;
      }
      return bit;
    },
    bytes: () => Uint8Array.from([...bytes, low >>> 24, (low >>> 16) & 255, (low >>> 8) & 255, low & 255]),
  };
}

export interface BitDecoder extends BitCoder {
  /** Whether all bytes have been used: an encoder writes none that are not. */
  readonly isAtEnd: () => boolean;
}

/** Throws AppError `DELTA_INVALID` where bits are asked for that are not there. */
export function bitDecoder(bytes: Uint8Array): BitDecoder {
  let [low, high, value, position] = [0, 0xffff_ffff, 0, 0];
  const byte = (): number => {
    if (position >= bytes.length) throw damaged("its differences end too early");
    return bytes[position++]!;
  };
  for (let i = 0; i < 4; i++) value = ((value << 8) | byte()) >>> 0;
  return {
    code: (_, chance) => {
      const middle = split(low, high, chance);
      const bit = value <= middle ? 1 : 0;
      if (bit === 1) high = middle;
      else low = middle + 1;
      while (((low ^ high) & 0xff00_0000) === 0) {
        low = (low << 8) >>> 0;
        high = ((high << 8) | 255) >>> 0;
        value = ((value << 8) | byte()) >>> 0;
      }
      return bit;
    },
    isAtEnd: () => position === bytes.length,
  };
}

/** The last number of the lower part, which is for 1. */
const split = (low: number, high: number, chance: number): number =>
  low + Math.floor((high - low) / 65_536) * chance + ((((high - low) & 0xffff) * chance) >>> 16);
