/** @portable Suffix arrays by induced sorting, in linear time. Source: Nong, Zhang, Chan, "Two Efficient Algorithms for Linear Time Suffix Array Construction", 2011 (SA-IS). */

/**
 * Where the suffixes of `text` start, in lexical order; a suffix comes before those that it begins.
 * Memory: about 13 bytes for each byte of text while it works, 4 in the end.
 *
 * @param top the largest value that the text may hold
 */
export function suffixArray(text: Uint8Array | Int32Array, top = 255): Int32Array {
  const length = text.length;
  const sorted = new Int32Array(length);
  if (length <= 1) return sorted;
  const isSmall = smallSuffixes(text);
  const { large, small } = bucketStarts(text, isSmall, top);

  const induce = (lms: Int32Array): void => {
    sorted.fill(-1);
    let next = Int32Array.from(small);
    for (const position of lms) sorted[next[text[position]!]!++] = position;
    next = Int32Array.from(large);
    sorted[next[text[length - 1]!]!++] = length - 1;
    for (let i = 0; i < length; i++) {
      const before = sorted[i]! - 1;
      if (before >= 0 && isSmall[before] === 0) sorted[next[text[before]!]!++] = before;
    }
    next = Int32Array.from(large);
    for (let i = length - 1; i >= 0; i--) {
      const before = sorted[i]! - 1;
      if (before >= 0 && isSmall[before] === 1) sorted[--next[text[before]! + 1]!] = before;
    }
  };

  const order = new Int32Array(length + 1).fill(-1);
  let count = 0;
  for (let i = 1; i < length; i++) if (isSmall[i - 1] === 0 && isSmall[i] === 1) order[i] = count++;
  const lms = new Int32Array(count);
  for (let i = 1; i < length; i++) if (order[i]! >= 0) lms[order[i]!] = i;
  induce(lms);
  if (count === 0) return sorted;

  const sortedLms = sorted.filter((position) => order[position]! >= 0);
  const names = new Int32Array(count);
  let name = 0;
  for (let i = 1; i < count; i++) {
    if (!isSameSubstring(text, lms, order, sortedLms[i - 1]!, sortedLms[i]!)) name++;
    names[order[sortedLms[i]!]!] = name;
  }
  const reduced = suffixArray(names, name);
  for (let i = 0; i < count; i++) sortedLms[i] = lms[reduced[i]!]!;
  induce(sortedLms);
  return sorted;
}

/** 1 where a suffix is smaller than the one behind it (type S). */
function smallSuffixes(text: Uint8Array | Int32Array): Uint8Array {
  const types = new Uint8Array(text.length);
  for (let i = text.length - 2; i >= 0; i--) {
    types[i] = text[i] === text[i + 1] ? types[i + 1]! : Number(text[i]! < text[i + 1]!);
  }
  return types;
}

/** Of each value's bucket: where it starts, which is where its large suffixes go, and where its small ones do. */
function bucketStarts(
  text: Uint8Array | Int32Array,
  isSmall: Uint8Array,
  top: number,
): { readonly large: Int32Array; readonly small: Int32Array } {
  const large = new Int32Array(top + 2);
  const small = new Int32Array(top + 2);
  for (let i = 0; i < text.length; i++) {
    if (isSmall[i] === 1) large[text[i]! + 1]!++;
    else small[text[i]!]!++;
  }
  for (let value = 0; value <= top; value++) {
    small[value]! += large[value]!;
    large[value + 1]! += small[value]!;
  }
  return { large, small };
}

function isSameSubstring(
  text: Uint8Array | Int32Array,
  lms: Int32Array,
  order: Int32Array,
  left: number,
  right: number,
): boolean {
  const endOf = (position: number): number => lms[order[position]! + 1] ?? text.length;
  const end = endOf(left);
  const distance = right - left;
  if (end + distance !== endOf(right)) return false;
  let at = left;
  while (at < end && text[at] === text[at + distance]) at++;
  return at === end && end + distance < text.length && end < text.length && text[end] === text[end + distance];
}
