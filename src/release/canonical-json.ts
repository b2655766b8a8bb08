/** @portable JSON that is written in one way only, so that the same document is the same bytes. Source: RFC 8785, without fractions. */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/** Deeper documents are refused, before they use up the stack. */
const DEEPEST = 32;

/**
 * Keys sorted by UTF-16 code units, no spaces, numbers whole; keys without a value are left out.
 *
 * @throws RangeError for what has no such form: fractions, lone surrogates, more than 32 levels
 */
export const canonicalJson = (value: Json): string => write(value, 0);

function write(value: Json, depth: number): string {
  if (depth > DEEPEST) throw new RangeError(`more than ${DEEPEST} levels`);
  if (typeof value === "number" && !Number.isSafeInteger(value)) throw new RangeError(`${value} is not a whole number`);
  if (typeof value === "string") return quoted(value);
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (isList(value)) return `[${value.map((item) => write(item, depth + 1)).join(",")}]`;
  const members = Object.entries(value)
    .filter((entry): entry is [string, Json] => entry[1] !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, item]) => `${quoted(key)}:${write(item, depth + 1)}`);
  return `{${members.join(",")}}`;
}

const isList = (value: object): value is readonly Json[] => Array.isArray(value);

function quoted(text: string): string {
  if (!text.isWellFormed()) throw new RangeError("a lone surrogate");
  return JSON.stringify(text);
}

/**
 * A document that has to be in its canonical form: of any other bytes two readers might make two things (a key that is there twice).
 *
 * @throws Error with a few words that say what is wrong with it
 */
export function parseCanonicalJson(bytes: Uint8Array): unknown {
  let text: string;
  let value: Json;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    value = JSON.parse(text) as Json;
  } catch (cause) {
    throw new Error("is not JSON in UTF-8", { cause });
  }
  let canonical: string | undefined;
  try {
    canonical = canonicalJson(value);
  } catch {}
  if (canonical !== text) throw new Error("is not in the canonical form of RFC 8785");
  return value;
}
