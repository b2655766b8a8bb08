/** @portable What may be told of a document that is wrong: words of the language, never what somebody wrote in their place, which may be a secret. */
import type { Path } from "../issue-text.ts";
import { editDistance, nearest } from "../nearest.ts";
import { shortKey } from "./read-yaml.ts";
import { OLD_SPELLINGS, REFUSED, REFUSED_WITHIN, WITHOUT_EFFECT, WITHOUT_EFFECT_WITHIN_USER } from "./refused.ts";
import { allKeys, isNameAt, keysAt, MASK } from "./secrets.ts";

let words: ReadonlySet<string> | undefined;
/** Every key that means something anywhere, here or to cloud-init and yip. */
const language = (): ReadonlySet<string> =>
  (words ??= new Set([
    ...allKeys(),
    ...[REFUSED, ...Object.values(REFUSED_WITHIN), WITHOUT_EFFECT, WITHOUT_EFFECT_WITHIN_USER, OLD_SPELLINGS].flatMap(
      Object.keys,
    ),
  ]));

const isWord = (word: string): boolean => [word, `${word}s`, word.replace(/s$/, "")].some((one) => language().has(one));

/**
 * A key that is not known, as far as it is a word of the language, or is so near to one that it was meant.
 *
 * @param known keys of the mapping that it is in
 */
export function toldKey(key: string, known: readonly string[]): string {
  const told = shortKey(key);
  const word = told.replace("…", "");
  return isWord(word) || isSlip(word, known) ? told : MASK;
}

/** Longer ones may be more than a slip: text that was pasted into a key. */
const LONGEST_SLIP = 3;
export function isSlip(word: string, known: readonly string[]): boolean {
  const meant = nearest(word, known);
  return meant !== undefined && editDistance(word.toLowerCase(), meant.toLowerCase()) <= LONGEST_SLIP;
}

/** A path as it was written, before anything of it was checked. */
export const toldPath = (path: Path): Path =>
  path.map((key, depth) => {
    const around = path.slice(0, depth);
    return typeof key !== "string" || isNameAt(around, key) ? key : toldKey(key, keysAt(around));
  });
