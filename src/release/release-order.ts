/** @portable Which of two releases is the older one. docs/formats/release.md */

export interface Dated {
  readonly version: string;
  /** Seconds since 1970. */
  readonly created: number;
}

/** By version where both are semantic versions of different precedence, else by the time of creation. @returns below 0: `a` is older */
export function compareReleases(a: Dated, b: Dated): number {
  const [x, y] = [semver(a.version), semver(b.version)];
  return (x && y ? compareSemver(x, y) : 0) || a.created - b.created;
}

interface Semver {
  readonly core: readonly string[];
  readonly pre: readonly string[];
}

const NUMBER = "0|[1-9]\\d*";
const PRE = `(?:${NUMBER}|\\d*[A-Za-z-][0-9A-Za-z-]*)`;
/** Source: Semantic Versioning 2.0.0, items 2, 9 and 10. Build metadata has no part in the order. */
const SEMVER = new RegExp(
  `^(${NUMBER})\\.(${NUMBER})\\.(${NUMBER})(?:-(${PRE}(?:\\.${PRE})*))?(?:\\+[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*)?$`,
);

function semver(text: string): Semver | undefined {
  const match = SEMVER.exec(text);
  return match ? { core: match.slice(1, 4), pre: match[4]?.split(".") ?? [] } : undefined;
}

/** Source: Semantic Versioning 2.0.0, item 11. */
function compareSemver(a: Semver, b: Semver): number {
  for (const [at, digits] of a.core.entries()) {
    const order = compareNumbers(digits, b.core[at]!);
    if (order !== 0) return order;
  }
  if (a.pre.length === 0 || b.pre.length === 0) return b.pre.length - a.pre.length;
  for (const [at, word] of a.pre.entries()) {
    const other = b.pre[at];
    if (other === undefined) return 1;
    const numbers = [word, other].map((text) => /^\d+$/.test(text));
    const order = numbers.every(Boolean)
      ? compareNumbers(word, other)
      : numbers.some(Boolean)
        ? numbers[0]
          ? -1
          : 1
        : compareText(word, other);
    if (order !== 0) return order;
  }
  return a.pre.length - b.pre.length;
}

/** Digits without leading zeros, however many. */
const compareNumbers = (a: string, b: string): number => a.length - b.length || compareText(a, b);
const compareText = (a: string, b: string): number => (a === b ? 0 : a < b ? -1 : 1);
