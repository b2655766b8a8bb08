/** @portable Bytes that come in pieces, as lines of text. */

/** A line without its end, or that there was one too long to be kept. */
export type Line = { readonly text: string } | { readonly tooLong: true };

const LF = 0x0a;

/**
 * Cuts bytes into lines of UTF-8. What is no UTF-8 becomes U+FFFD.
 *
 * @param limit bytes of the longest line: more than that is never kept
 * @returns a function that takes bytes and remembers an unfinished line between calls
 */
export function lineReader(limit: number): (bytes: Uint8Array) => Line[] {
  const kept = new Uint8Array(limit);
  let size = 0;
  const add = (part: Uint8Array): void => {
    if (size + part.length <= limit) kept.set(part, size);
    size += part.length;
  };
  return (bytes) => {
    const lines: Line[] = [];
    let start = 0;
    for (let end = bytes.indexOf(LF); end !== -1; end = bytes.indexOf(LF, start)) {
      add(bytes.subarray(start, end));
      lines.push(size > limit ? { tooLong: true } : { text: new TextDecoder().decode(kept.subarray(0, size)) });
      size = 0;
      start = end + 1;
    }
    add(bytes.subarray(start));
    return lines;
  };
}
