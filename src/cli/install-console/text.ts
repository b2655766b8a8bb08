/** Text for a terminal of 80 columns that may know nothing but letters. */

export const COLUMNS = 80;

/**
 * What a disk says of itself can be anything: only printable ASCII is left, so that nothing moves the cursor, and every console can show it.
 */
export const plain = (text: string): string =>
  Array.from(text, (char) => (char >= " " && char <= "~" ? char : char === "\n" || char === "\t" ? " " : "?")).join("");

/** At most so many columns; what does not fit is left out at the end. */
export const cut = (text: string, columns: number): string =>
  text.length <= columns ? text : `${text.slice(0, columns - 3)}...`;

/**
 * Lines of at most 79 columns, broken at blanks; a word that is longer is broken anywhere.
 *
 * @param rest indent of every line but the first, whose own is `first`
 */
export function wrap(text: string, rest = "", first = ""): string[] {
  const lines: string[] = [];
  let line = first;
  let isFresh = true;
  const next = (): void => {
    lines.push(line);
    line = rest;
    isFresh = true;
  };
  for (let word of plain(text).split(" ").filter(Boolean)) {
    if (!isFresh && line.length + 1 + word.length > COLUMNS - 1) next();
    if (!isFresh) line += " ";
    while (line.length + word.length > COLUMNS - 1) {
      const room = COLUMNS - 1 - line.length;
      line += word.slice(0, room);
      word = word.slice(room);
      next();
    }
    line += word;
    isFresh = false;
  }
  return [...lines, line];
}
