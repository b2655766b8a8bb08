/** @portable Words of strangers, as they are remembered and shown: on one line, and not more of them than anybody reads. */

const MOST = 400;
// eslint-disable-next-line no-control-regex -- these are what is looked for
const CONTROL = /[\x00-\x1f\x7f-\x9f\u2028\u2029]+/g;

/** Control characters, which could lead a terminal astray, become spaces. */
export function shortLine(text: string): string {
  const line = text
    .slice(0, 8 * MOST)
    .replaceAll(CONTROL, " ")
    .trim();
  return line.length <= MOST ? line : `${line.slice(0, MOST - 1)}…`;
}
