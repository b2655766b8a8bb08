/**
 * @portable GRUB's environment block: the one format that GRUB can read and write and everybody else can too.
 * Source: GRUB 2.12, grub-core/lib/envblk.c. Text is Latin-1: a byte is a character.
 */
import type { Bytes } from "../core/units.ts";

/** GRUB itself takes any size; `grub-editenv` makes and expects this one. */
export const ENV_BLOCK_SIZE: Bytes = 1024;
/** Variables end before this offset, so that a block torn between its two sectors holds either all the old ones or all the new ones. */
const ENV_BLOCK_VARIABLES_END: Bytes = 512;

/** Of a block that has a checksum beside it: how it is torn does not matter. */
export interface EnvBlockRoom {
  readonly size: Bytes;
  /** Where the variables end at the latest. */
  readonly end: Bytes;
}
const SIGNATURE = "# GRUB Environment Block\n";

/**
 * @param variables names without `=`; names and values without `\`, line feeds or characters above U+00FF
 * @param room default: all of them in front of the second sector
 * @throws Error when they do not fit
 */
export function encodeEnvBlock(
  variables: Readonly<Record<string, string>>,
  { size, end }: EnvBlockRoom = { size: ENV_BLOCK_SIZE, end: ENV_BLOCK_VARIABLES_END },
): Uint8Array {
  const text = SIGNATURE + Object.entries(variables).reduce((lines, [name, value]) => `${lines}${name}=${value}\n`, "");
  if (text.length > end) throw new Error(`environment block: ${text.length} bytes of variables`);
  const block = new Uint8Array(size).fill("#".charCodeAt(0));
  block.set(latin1Bytes(text));
  return block;
}

/** The variables as GRUB's `load_env` sets them, the last of a name wins; `undefined` without the signature. Never throws. */
export function decodeEnvBlock(block: Uint8Array): ReadonlyMap<string, string> | undefined {
  const text = latin1Text(block);
  if (!text.startsWith(SIGNATURE)) return undefined;
  const variables = new Map<string, string>();
  for (let at = SIGNATURE.length; at < text.length;) {
    if (text[at] !== "#") {
      const equals = text.indexOf("=", at);
      if (equals < 0) break;
      const end = lineEnd(text, equals + 1);
      if (end >= text.length) break;
      const value = text.slice(equals + 1, end).replaceAll(/\\([^])/g, "$1");
      variables.set(untilNul(text.slice(at, equals)), untilNul(value));
      at = equals + 1;
    }
    at = lineEnd(text, at) + 1;
  }
  return variables;
}

/** Where the line that `from` is in ends: at the first line feed that no backslash escapes. */
function lineEnd(text: string, from: number): number {
  for (let at = from; ;) {
    const feed = text.indexOf("\n", at);
    const end = feed < 0 ? text.length : feed;
    const backslash = text.indexOf("\\", at);
    if (backslash < 0 || backslash > end) return end;
    at = backslash + 2;
  }
}

const untilNul = (text: string): string => text.split("\0", 1)[0]!;

export const latin1Bytes = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));

const PIECE: Bytes = 1024;

export function latin1Text(bytes: Uint8Array): string {
  let text = "";
  // In pieces: a byte at a time is slow enough for a compiler to step in, a call with all of them may be too long.
  for (let at = 0; at < bytes.length; at += PIECE) text += String.fromCharCode(...bytes.subarray(at, at + PIECE));
  return text;
}
