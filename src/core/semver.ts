/** @portable Semantic versions: which is older, and which a range takes. Source: Semantic Versioning 2.0.0 */

export interface Semver {
  /** Major, minor, patch: digits without leading zeros, however many. */
  readonly core: readonly [major: string, minor: string, patch: string];
  readonly pre: readonly string[];
}

const NUMBER = "0|[1-9]\\d*";
const PRE = `(?:${NUMBER}|\\d*[A-Za-z-][0-9A-Za-z-]*)`;
/** Source: Semantic Versioning 2.0.0, items 2, 9 and 10. Build metadata has no part in the order. */
const SEMVER = new RegExp(
  `^(${NUMBER})\\.(${NUMBER})\\.(${NUMBER})(?:-(${PRE}(?:\\.${PRE})*))?(?:\\+[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*)?$`,
);

/** Nothing where the text is no semantic version. */
export function parseSemver(text: string): Semver | undefined {
  const match = SEMVER.exec(text);
  return match ? { core: [match[1]!, match[2]!, match[3]!], pre: match[4]?.split(".") ?? [] } : undefined;
}

/** Source: Semantic Versioning 2.0.0, item 11. @returns below 0: `a` is older */
export function compareSemver(a: Semver, b: Semver): number {
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

const compareNumbers = (a: string, b: string): number => a.length - b.length || compareText(a, b);
const compareText = (a: string, b: string): number => (a === b ? 0 : a < b ? -1 : 1);

/** One bound of a range. */
interface Bound {
  readonly is: ">=" | ">" | "<" | "<=";
  readonly version: Semver;
}
/** Any of its parts; within one, all bounds. */
export type VersionRange = readonly (readonly Bound[])[];

const PARTIAL = new RegExp(
  `^(\\^|~|>=|<=|>|<|=)?(?:(\\*|[xX])|(${NUMBER})(?:\\.(?:[xX*]|(${NUMBER})(?:\\.(?:[xX*]|(${NUMBER})(?:-(${PRE}(?:\\.${PRE})*))?))?))?)$`,
);

/**
 * The ranges that npm takes, but for those with a hyphen: `^1.4`, `~1.4.2`, `1.x`, `>=1.4.0 <2.0.0`, and several with `||` between them.
 *
 * Source: npm's semver(7), "Advanced Range Syntax"
 *
 * @returns nothing where the text is no range
 */
export function parseVersionRange(text: string): VersionRange | undefined {
  const parts = text.split("||").map((part) => part.trim().replaceAll(/(\^|~|[<>]=?|=)\s+/g, "$1"));
  const range = parts.map((part) => {
    const bounds = part === "" ? [undefined] : part.split(/\s+/).map(boundsOf);
    return bounds.every((bound) => bound !== undefined) ? bounds.flat() : undefined;
  });
  return range.every((bounds) => bounds !== undefined) ? range : undefined;
}

function boundsOf(text: string): readonly Bound[] | undefined {
  const match = PARTIAL.exec(text);
  if (!match) return undefined;
  const [, operator = "", any, major, minor, patch, pre] = match;
  if (any !== undefined) return operator === "<" || operator === ">" ? undefined : [];
  const lowest = versionOf(major!, minor ?? "0", patch ?? "0", pre?.split(".") ?? []);
  // The first one that is above everything of which only this much was said.
  const above =
    minor === undefined
      ? versionOf(raised(major!))
      : patch === undefined
        ? versionOf(major!, raised(minor))
        : versionOf(major!, minor, raised(patch));
  const isWhole = patch !== undefined;
  switch (operator) {
    case "^":
      return [{ is: ">=", version: lowest }, below(aboveCaret(major!, minor, patch))];
    case "~":
      return [
        { is: ">=", version: lowest },
        below(minor === undefined ? versionOf(raised(major!)) : versionOf(major!, raised(minor))),
      ];
    case ">=":
      return [{ is: ">=", version: lowest }];
    case ">":
      return [isWhole ? { is: ">", version: lowest } : { is: ">=", version: above }];
    case "<":
      return [isWhole && pre !== undefined ? { is: "<", version: lowest } : below(lowest)];
    case "<=":
      return [isWhole ? { is: "<=", version: lowest } : below(above)];
    default:
      return isWhole
        ? [
            { is: ">=", version: lowest },
            { is: "<=", version: lowest },
          ]
        : [{ is: ">=", version: lowest }, below(above)];
  }
}

/** The left-most number that is not zero stays. */
function aboveCaret(major: string, minor: string | undefined, patch: string | undefined): Semver {
  if (major !== "0" || minor === undefined) return versionOf(raised(major));
  if (minor !== "0" || patch === undefined) return versionOf(major, raised(minor));
  return versionOf(major, minor, raised(patch));
}

const versionOf = (major: string, minor = "0", patch = "0", pre: readonly string[] = []): Semver => ({
  core: [major, minor, patch],
  pre,
});
const raised = (digits: string): string => String(BigInt(digits) + 1n);
/** Its own pre-releases are not below it, either. */
const below = ({ core }: Semver): Bound => ({ is: "<", version: { core, pre: ["0"] } });

/**
 * Whether a version lies in a range. A pre-release does only where a bound of the same part names one of the same version: whoever asks for `^1.4` wants what is
 * finished.
 *
 * Source: npm's semver(7), "Prerelease Tags"
 */
export function isInRange(version: Semver, range: VersionRange): boolean {
  return range.some((bounds) => {
    if (!bounds.every((bound) => holds(version, bound))) return false;
    if (version.pre.length === 0) return true;
    return bounds.some(
      ({ is, version: { core, pre } }) =>
        pre.length > 0 && !(is === "<" && pre.join() === "0") && core.every((digits, at) => digits === version.core[at]),
    );
  });
}

function holds(version: Semver, { is, version: bound }: Bound): boolean {
  const order = compareSemver(version, bound);
  switch (is) {
    case ">=":
      return order >= 0;
    case ">":
      return order > 0;
    case "<":
      return order < 0;
    case "<=":
      return order <= 0;
  }
}
