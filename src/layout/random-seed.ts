/** @portable Randomness of a machine's last boot for its next one, whose kernel may have little of its own. docs/formats/random-seed.md */
import { KiB, type Bytes } from "../core/units.ts";
import { decodeCheckedText, encodeCheckedText } from "./checked-text.ts";

/** In the record partition. */
export const SEED_OFFSET: Bytes = 256 * KiB;
export const SEED_SIZE: Bytes = 4 * KiB;
/** Of randomness: twice what the kernel's generator holds. Source: random(4) */
export const SEED_BYTES: Bytes = 64;

const SIGNATURE = "petrify-seed 1";

/** @param seed {@link SEED_BYTES} bytes @returns {@link SEED_SIZE} bytes */
export const encodeSeed = (seed: Uint8Array): Uint8Array =>
  encodeCheckedText(SIGNATURE, `${Array.from(seed, (byte) => byte.toString(16).padStart(2, "0")).join("")}\n`);

/** Nothing where there is none, or not a whole one. Never throws. */
export function decodeSeed(block: Uint8Array): Uint8Array | undefined {
  const digits = /^([0-9a-f]{128})\n$/.exec(decodeCheckedText(SIGNATURE, block) ?? "")?.[1];
  return digits === undefined ? undefined : Uint8Array.from(digits.match(/../g)!, (pair) => Number.parseInt(pair, 16));
}
